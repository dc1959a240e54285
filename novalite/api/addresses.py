"""Addresses of a server by network label: /servers/{id}/ips."""

from __future__ import annotations

from typing_extensions import TypedDict

from novalite.api.routing import Call, Result, Routes
from novalite.api.servers.access import load
from novalite.errors import NotFound

ROUTES = Routes()
_SHOWN = ("addr", "version")


class Address(TypedDict):
    """What is shown of an address."""

    addr: str
    version: int


@ROUTES.get(
    "/servers/<server_id>/ips",
    policy="os_compute_api:ips:index",
    answer={"addresses": dict[str, list[Address]]},
)
def index(call: Call, server_id: str) -> Result:
    """Every network."""
    record = load(call, server_id, "os_compute_api:ips:index")
    return {"addresses": {label: _short(found) for label, found in record["addresses"].items()}}


@ROUTES.get(
    "/servers/<server_id>/ips/<label>", policy="os_compute_api:ips:show", answer=dict[str, list[Address]]
)
def show(call: Call, server_id: str, label: str) -> Result:
    """One network."""
    addresses = load(call, server_id, "os_compute_api:ips:show")["addresses"]
    if label not in addresses:
        raise NotFound("Instance is not a member of specified network")
    return {label: _short(addresses[label])}


def _short(addresses: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without the extended fields that servers show."""
    return [{key: address[key] for key in _SHOWN} for address in addresses]
