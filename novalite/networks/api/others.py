"""What clients look for besides records: agents, availability zones, service providers, the network without a name."""

from __future__ import annotations

from flask import Blueprint, Response, request

from novalite.api.policy import authorize
from novalite.networks.api.http import answer, caller, nothing, peer
from novalite.networks.api.nouns import ZONE


def add_routes(bp: Blueprint) -> None:
    """/v2.0/agents, /availability_zones, /service-providers, /auto-allocated-topology/<project>"""
    bp.add_url_rule("/v2.0/agents", "agents", agents, methods=["GET"])
    bp.add_url_rule("/v2.0/availability_zones", "zones", zones, methods=["GET"])
    bp.add_url_rule("/v2.0/service-providers", "providers", providers, methods=["GET"])
    one = "/v2.0/auto-allocated-topology/<project_id>"
    bp.add_url_rule(one, "topology", topology, methods=["GET"])
    bp.add_url_rule(one, "topology_delete", forget, methods=["DELETE"])


def agents() -> Response:
    """None: compute hosts do the work of agents, and the compute API lists those. Others see none either."""
    authorize("get_agent")
    return answer({"agents": []})


def zones() -> Response:
    """The one zone there is, for both kinds of things that could have several."""
    authorize("get_availability_zone")
    return answer(
        {
            "availability_zones": [
                {"name": ZONE, "resource": kind, "state": "available"} for kind in ("network", "router")
            ]
        }
    )


def providers() -> Response:
    """None to choose from."""
    authorize("get_service_provider")
    return answer({"service_providers": []})


def _project(project_id: str) -> str:
    return str(caller().project_id) if project_id in ("null", "None") else project_id


def topology(project_id: str) -> Response:
    """The network that a project gets without naming one; `fields=dry-run` only says that it could be had."""
    mine = _project(project_id)
    authorize("get_auto_allocated_topology", {"project_id": mine})
    if "dry-run" in request.args.getlist("fields"):
        found = {"id": "dry-run=pass", "tenant_id": mine}
    else:
        found = {"id": peer().topology(caller(), mine), "tenant_id": mine}
    return answer({"auto_allocated_topology": found | {"project_id": mine}})


def forget(project_id: str) -> Response:
    """Everything that was made for it is gone."""
    mine = _project(project_id)
    authorize("delete_auto_allocated_topology", {"project_id": mine})
    peer().forget_topology(caller(), mine)
    return nothing()
