"""Security groups, fixed and floating addresses of a server. The network service answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from novalite.api.actions import Action
from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import Body
from novalite.api.servers.access import load
from novalite.api.servers.actions.table import ACTIONS
from novalite.api.servers.schemas import Ipv4, Ipv6
from novalite.errors import ServerLocked, ServerNotReady
from novalite.objects.base import Record

LAST = 43
"""Of the actions on addresses."""


class Group(Body):
    """What stands behind `addSecurityGroup` and `removeSecurityGroup`: a name or an id."""

    name: Annotated[str, Field(min_length=1, max_length=255)]


class Network(Body):
    """What stands behind `addFixedIp`."""

    networkId: Annotated[str, Field(min_length=1, max_length=36)]


class Address(Body):
    """What stands behind `removeFixedIp` and `removeFloatingIp`."""

    address: Ipv4 | Ipv6


class Floating(Address):
    """What stands behind `addFloatingIp`."""

    fixed_address: Ipv4 | Ipv6 | None = None


def _server(call: Call, server_id: str, rule: str) -> Record:
    """A server that was built once and is not locked for the caller."""
    server = load(call, server_id, rule)
    if server["locked_by"] and not call.ctx.is_admin:
        raise ServerLocked(server_id=server_id)
    if server["launched_at"] is None:
        raise ServerNotReady(server_id=server_id)
    return server


def _change_groups(name: str, verb: str) -> None:
    rule = f"os_compute_api:os-security-groups:{verb}"

    def handler(call: Call, server_id: str, value: Group) -> Result:
        server = _server(call, server_id, rule)
        runtime().networks.change_groups(call.ctx, server, verb, value.name)
        return None

    ACTIONS.rows[name] = Action(name, handler, Group, policy=rule)


def _change_fixed_ip(name: str, verb: str, value: type[Body], key: str) -> None:
    rule = f"os_compute_api:os-multinic:{verb}"

    def handler(call: Call, server_id: str, value: Any) -> Result:
        server = _server(call, server_id, rule)
        runtime().networks.change_fixed_ip(call.ctx, server, verb, getattr(value, key))
        return None

    ACTIONS.rows[name] = Action(name, handler, value, until=LAST, policy=rule)


def _change_floating_ip(name: str, verb: str, value: type[Body]) -> None:
    rule = f"os_compute_api:os-floating-ips:{verb}"

    def handler(call: Call, server_id: str, value: Any) -> Result:
        server = _server(call, server_id, rule)
        runtime().networks.change_floating_ip(call.ctx, server, verb, value.model_dump())
        return None

    ACTIONS.rows[name] = Action(name, handler, value, until=LAST, policy=rule)


_change_groups("addSecurityGroup", "add")
_change_groups("removeSecurityGroup", "remove")
_change_fixed_ip("addFixedIp", "add", Network, "networkId")
_change_fixed_ip("removeFixedIp", "remove", Address, "address")
_change_floating_ip("addFloatingIp", "add", Floating)
_change_floating_ip("removeFloatingIp", "remove", Address)
