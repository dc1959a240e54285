"""Ports of a server: /servers/{id}/os-interface. The network service answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field as Limits

from novalite.api.fields import Field, View
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Since, Uuid
from novalite.api.servers.access import load, require
from novalite.api.servers.create import EXTERNAL_NETWORK
from novalite.api.servers.schemas import Ipv4, Ipv6, Tag
from novalite.api.shapes import TEXT
from novalite.errors import BadRequest
from novalite.states import ACTIVE, PAUSED, STOPPED

ROUTES = Routes()
RULE = "os_compute_api:os-attach-interfaces:"
PATH = "/servers/<server_id>/os-interface"
STATES = (ACTIVE, PAUSED, STOPPED)

INTERFACE = View(
    Field("net_id", lambda r, see: r["net_id"], kind=str),
    Field("port_id", lambda r, see: r["port_id"], kind=str),
    Field("mac_addr", lambda r, see: r["mac_addr"], kind=str),
    Field("port_state", lambda r, see: r["port_state"], kind=str),
    Field("fixed_ips", lambda r, see: r["fixed_ips"], kind=list[dict[str, str]]),
    Field("tag", lambda r, see: r["tag"], since=70, kind=TEXT),
)


class FixedIp(Body):
    """An address to have."""

    ip_address: Ipv4 | Ipv6


class Attachment(Body):
    """A port, or a network to make one on, or nothing: any network."""

    port_id: Uuid | None = None
    net_id: Uuid | None = None
    fixed_ips: Annotated[list[FixedIp], Limits(min_length=1, max_length=1)] | None = None
    tag: Annotated[Tag | None, Since(49)] = None


class Attach(Body):
    """POST os-interface."""

    interfaceAttachment: Attachment = Attachment()


@ROUTES.get(PATH, policy=RULE + "list", answer={"interfaceAttachments": [INTERFACE]})
def index(call: Call, server_id: str) -> Result:
    """Every port."""
    found = runtime().networks.interfaces(call.ctx, load(call, server_id, RULE + "list"))
    return {"interfaceAttachments": INTERFACE.show_all(found, call.see())}


@ROUTES.get(PATH + "/<port_id>", policy=RULE + "show", answer={"interfaceAttachment": INTERFACE})
def show(call: Call, server_id: str, port_id: str) -> Result:
    """One port."""
    found = runtime().networks.interface(call.ctx, load(call, server_id, RULE + "show"), port_id)
    return {"interfaceAttachment": INTERFACE.show(found, call.see())}


@ROUTES.post(PATH, policy=RULE + "create", body=Attach, status=200, answer={"interfaceAttachment": INTERFACE})
def attach(call: Call, server_id: str) -> Result:
    """Connect the server."""
    asked: Attachment = call.body.interfaceAttachment
    if asked.net_id and asked.port_id:
        raise BadRequest("Must not input both network_id and port_id.")
    if asked.fixed_ips and not asked.net_id:
        raise BadRequest("Must input network_id when request IP address.")
    server = load(call, server_id, RULE + "create")
    require(call, server, "attach_interface", STATES)
    wanted = {**asked.model_dump(), "external": allowed(EXTERNAL_NETWORK)}
    made = runtime().networks.attach(call.ctx, server, wanted)
    return {"interfaceAttachment": INTERFACE.show(made, call.see())}


@ROUTES.delete(PATH + "/<port_id>", policy=RULE + "delete", status=202)
def detach(call: Call, server_id: str, port_id: str) -> Result:
    """Disconnect the server."""
    server = load(call, server_id, RULE + "delete")
    require(call, server, "detach_interface", STATES)
    runtime().networks.detach(call.ctx, server, port_id)
    return None
