"""How a guest's memory and processors lie: /servers/{id}/topology."""

from __future__ import annotations

from typing import Any

from novalite.api.policy import allowed, authorize
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers.access import check_id
from novalite.api.shapes import NUMBER
from novalite.objects.base import Record
from novalite.rpc.contracts.servers import Servers

ROUTES = Routes()
RULE, HOST_RULE = "compute:server:topology:index", "compute:server:topology:host:index"


@ROUTES.get(
    "/servers/<server_id>/topology",
    policy=RULE,
    since=78,
    answer={"nodes": list[dict[str, Any]], "pagesize_kb": NUMBER},
)
def show(call: Call, server_id: str) -> Result:
    """The cells of a guest; a guest that asked for none has no nodes. Where they lie on the host is for those who pass
    `compute:server:topology:host:index`."""
    check_id(server_id)
    record = runtime().peer(Servers).topology(call.ctx, server_id)
    authorize(RULE, record)
    placed, of_host = record["placed"], allowed(HOST_RULE, record)
    cells = (placed or record["topology"] or {"cells": []})["cells"]
    nodes = [_node(cell, placed["threads"] if placed else 1, of_host) for cell in cells]
    return {"nodes": nodes, "pagesize_kb": placed["page_kb"] if placed else None}


def _node(cell: Record, threads: int, of_host: bool) -> Record:
    cpus = cell["cpus"]
    node: Record = {
        "memory_mb": cell["memory_mb"],
        "vcpu_set": cpus,
        "siblings": [cpus[at : at + threads] for at in range(0, len(cpus), threads)] if threads > 1 else [],
    }
    if of_host:
        pins = {str(vcpu): cpu for vcpu, cpu in cell.get("pins", ())}
        node |= {"host_node": cell.get("host_cell"), "cpu_pinning": pins}
    return node
