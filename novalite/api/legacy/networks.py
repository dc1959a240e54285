"""Networks and floating addresses by way of the compute API, up to 2.35; the network service answers."""

from __future__ import annotations

from typing import Any

from flask import request

from novalite.api.fields import Field, View
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes, read_json
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, parse
from novalite.api.shapes import TEXT
from novalite.objects.base import Record

ROUTES = Routes()
NETWORKS = "os_compute_api:os-networks:"
TENANT = "os_compute_api:os-tenant-networks:"
FLOATING = "os_compute_api:os-floating-ips:"
LAST = 35

_OF_OTHER_TIMES = (
    "cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6",
)  # fmt: skip
_OF_ADMINS = (
    "created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address",
    "vpn_public_port", "vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface",
    "multi_host", "priority", "rxtx_base", "mtu", "dhcp_server", "enable_dhcp", "share_address",
)  # fmt: skip
"""Keys that answers have and that mean nothing since networks became a service: always null."""

TENANT_NETWORK = View(
    Field("id", lambda r, see: r["id"]),
    Field("cidr", lambda r, see: "None", kind=str),
    Field("label", lambda r, see: r["label"], kind=str),
)
FLOATING_IP = View(
    Field("id", lambda r, see: r["id"]),
    Field("ip", lambda r, see: r["ip"], kind=str),
    Field("pool", lambda r, see: r["pool"], kind=TEXT),
    Field("fixed_ip", lambda r, see: r["fixed_ip"], kind=TEXT),
    Field("instance_id", lambda r, see: r["instance_id"], kind=TEXT),
)


def _network(record: Record) -> Record:
    keys = _OF_OTHER_TIMES + (_OF_ADMINS if allowed("context_is_admin") else ())
    return {"id": record["id"], "label": record["label"], **dict.fromkeys(keys)}


@ROUTES.get("/os-networks", until=LAST, policy=NETWORKS + "list", answer={"networks": list[dict[str, Any]]})
def networks(call: Call) -> Result:
    """Every network of the project."""
    return {"networks": [_network(record) for record in runtime().networks.networks(call.ctx)]}


@ROUTES.get(
    "/os-networks/<network_id>", until=LAST, policy=NETWORKS + "show", answer={"network": dict[str, Any]}
)
def network(call: Call, network_id: str) -> Result:
    """One of them."""
    return {"network": _network(runtime().networks.network(call.ctx, network_id))}


@ROUTES.get("/os-tenant-networks", until=LAST, policy=TENANT + "list", answer={"networks": [TENANT_NETWORK]})
def tenant_networks(call: Call) -> Result:
    """Every network of the project, in fewer words."""
    return {"networks": TENANT_NETWORK.show_all(runtime().networks.networks(call.ctx), call.see())}


@ROUTES.get(
    "/os-tenant-networks/<network_id>", until=LAST, policy=TENANT + "show", answer={"network": TENANT_NETWORK}
)
def tenant_network(call: Call, network_id: str) -> Result:
    """One of them."""
    return {"network": TENANT_NETWORK.show(runtime().networks.network(call.ctx, network_id), call.see())}


@ROUTES.get(
    "/os-floating-ip-pools",
    until=LAST,
    policy="os_compute_api:os-floating-ip-pools",
    answer={"floating_ip_pools": [{"name": str}]},
)
def pools(call: Call) -> Result:
    """Where floating addresses come from."""
    return {"floating_ip_pools": [{"name": name} for name in runtime().networks.pools(call.ctx)]}


@ROUTES.get("/os-floating-ips", until=LAST, policy=FLOATING + "list", answer={"floating_ips": [FLOATING_IP]})
def floating_ips(call: Call) -> Result:
    """Floating addresses of the project."""
    return {"floating_ips": FLOATING_IP.show_all(runtime().networks.floating_ips(call.ctx), call.see())}


@ROUTES.get(
    "/os-floating-ips/<floating_ip_id>",
    until=LAST,
    policy=FLOATING + "show",
    answer={"floating_ip": FLOATING_IP},
)
def floating_ip(call: Call, floating_ip_id: str) -> Result:
    """One of them."""
    record = runtime().networks.floating_ip(call.ctx, floating_ip_id)
    return {"floating_ip": FLOATING_IP.show(record, call.see())}


class Allocate(Body):
    """What may be in the body of POST /os-floating-ips, which may be missing."""

    pool: str | None = None


@ROUTES.post("/os-floating-ips", until=LAST, policy=FLOATING + "create", answer={"floating_ip": FLOATING_IP})
def allocate(call: Call) -> Result:
    """A floating address for the project."""
    data: Any = read_json() if request.content_length else None
    asked: Allocate | None = parse(Allocate | None, data, call.version)
    record = runtime().networks.allocate_floating_ip(call.ctx, asked.pool if asked else None)
    return {"floating_ip": FLOATING_IP.show(record, call.see())}


@ROUTES.delete("/os-floating-ips/<floating_ip_id>", until=LAST, policy=FLOATING + "delete", status=202)
def release(call: Call, floating_ip_id: str) -> Result:
    """Give an address back."""
    runtime().networks.release_floating_ip(call.ctx, floating_ip_id)
    return None
