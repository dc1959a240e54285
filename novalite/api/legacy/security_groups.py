"""Security groups by way of the compute API, up to 2.35; the network service answers."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic import Field as Limits

from novalite.api.fields import Field, See, View
from novalite.api.paging import Key, Query, boolean, integer, text
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import AnyInt, Body, is_uuid, wrong
from novalite.errors import BadRequest
from novalite.objects.base import Record

ROUTES = Routes()
RULE = "os_compute_api:os-security-groups:"
LAST = 35
PROTOCOLS = ("tcp", "udp", "icmp")
_PORTS = {"tcp": (1, 65535), "udp": (1, 65535), "icmp": (-1, 255)}
"""Lowest and highest of from_port and to_port; for ICMP they are type and code, -1 meaning any."""


def _protocol(value: str) -> str:
    if value.lower() not in PROTOCOLS:
        raise wrong(f"It must be one of {', '.join(PROTOCOLS)}.")
    return value.lower()


def _cidr(value: str) -> str:
    """As it was said, but with its length: bits of the host may be set."""
    try:
        network = ipaddress.ip_network(value, strict=False)
        return value if "/" in value else str(network)
    except ValueError:
        raise wrong("It must be an address with a prefix length.") from None


Text = Annotated[str, Limits(max_length=255)]
GroupId = Annotated[str, Limits(min_length=1, max_length=36)]


class Group(Body):
    """A group as it is asked for."""

    name: Text
    description: Text


class GroupBody(Body):
    """POST and PUT /os-security-groups."""

    security_group: Group


class Rule(Body):
    """A rule as it is asked for; without `cidr` or `group_id` it is for everybody."""

    parent_group_id: GroupId
    ip_protocol: Annotated[str, Limits(max_length=32), AfterValidator(_protocol)] | None = None
    from_port: AnyInt | None = None
    to_port: AnyInt | None = None
    cidr: Annotated[str, Limits(max_length=64), AfterValidator(_cidr)] | None = None
    group_id: GroupId | None = None


class RuleBody(Body):
    """POST /os-security-group-rules."""

    security_group_rule: Rule


def _rule(rule: Record, parent: str) -> Record:
    group = rule["group"]
    return {
        "id": rule["id"],
        "parent_group_id": parent,
        "ip_protocol": rule["ip_protocol"],
        "from_port": rule["from_port"],
        "to_port": rule["to_port"],
        "group": {"name": group["name"], "tenant_id": group["project_id"]} if group else {},
        "ip_range": {"cidr": rule["ip_range"]} if rule["ip_range"] else {},
    }


def _rules(record: Record, see: See) -> Any:
    return [_rule(rule, record["id"]) for rule in record["rules"]]


GROUP = View(
    Field("id", lambda r, see: r["id"]),
    Field("name", lambda r, see: r["name"]),
    Field("description", lambda r, see: r["description"]),
    Field("tenant_id", lambda r, see: r["project_id"]),
    Field("rules", _rules, kind=list[dict[str, Any]]),
)


def _check(group_id: str, what: str = "Security group") -> str:
    if not is_uuid(group_id):
        raise BadRequest(f"{what} id {group_id[:60]} should be a UUID.")
    return group_id


@ROUTES.get(
    "/os-security-groups",
    until=LAST,
    policy=RULE + "get",
    query=Query(all_tenants=Key(boolean), limit=integer(0), offset=integer(0), name=text),
    answer={"security_groups": [GROUP]},
)
def index(call: Call) -> Result:
    """Groups of the project, by name; of all projects for those who may."""
    everywhere = call.query.one("all_tenants", False) and allowed("context_is_admin")
    found = runtime().networks.security_groups(call.ctx, all_projects=everywhere)
    found = sorted(found, key=lambda group: (group["project_id"], group["name"]))
    start, (limit, _) = call.query.one("offset", 0), call.page()
    return {"security_groups": GROUP.show_all(found[start : start + limit], call.see())}


@ROUTES.get(
    "/os-security-groups/<group_id>", until=LAST, policy=RULE + "show", answer={"security_group": GROUP}
)
def show(call: Call, group_id: str) -> Result:
    """One group."""
    record = runtime().networks.security_group(call.ctx, _check(group_id))
    return {"security_group": GROUP.show(record, call.see())}


@ROUTES.post(
    "/os-security-groups",
    until=LAST,
    policy=RULE + "create",
    body=GroupBody,
    status=200,
    answer={"security_group": GROUP},
)
def create(call: Call) -> Result:
    """A group without rules of its own."""
    asked: Group = call.body.security_group
    record = runtime().networks.create_security_group(call.ctx, asked.name, asked.description)
    return {"security_group": GROUP.show(record, call.see())}


@ROUTES.put(
    "/os-security-groups/<group_id>",
    until=LAST,
    policy=RULE + "update",
    body=GroupBody,
    answer={"security_group": GROUP},
)
def update(call: Call, group_id: str) -> Result:
    """Another name, another description."""
    asked: Group = call.body.security_group
    networks = runtime().networks
    record = networks.update_security_group(call.ctx, _check(group_id), asked.name, asked.description)
    return {"security_group": GROUP.show(record, call.see())}


@ROUTES.delete("/os-security-groups/<group_id>", until=LAST, policy=RULE + "delete", status=202)
def delete(call: Call, group_id: str) -> Result:
    """Delete a group."""
    runtime().networks.delete_security_group(call.ctx, _check(group_id))
    return None


@ROUTES.post(
    "/os-security-group-rules",
    until=LAST,
    policy=RULE + "rule:create",
    body=RuleBody,
    status=200,
    answer={"security_group_rule": dict[str, Any]},
)
def create_rule(call: Call) -> Result:
    """A rule for what may come in."""
    asked: Rule = call.body.security_group_rule
    parent = _check(asked.parent_group_id)
    if asked.group_id is not None:
        _check(asked.group_id)
    _check_ports(asked)
    wanted = asked.model_dump(exclude={"parent_group_id"})
    wanted["cidr"] = asked.cidr or (None if asked.group_id else "0.0.0.0/0")
    made = runtime().networks.add_rule(call.ctx, parent, wanted)
    return {"security_group_rule": _rule(made, parent)}


def _check_ports(asked: Rule) -> None:
    """A rule for addresses names its protocol and both ports; one for a group may leave them all out."""
    given = [asked.ip_protocol, asked.from_port, asked.to_port]
    if asked.group_id is not None and given == [None, None, None]:
        return
    if asked.ip_protocol is None or asked.from_port is None or asked.to_port is None:
        raise BadRequest("Not enough parameters to build a valid rule.")
    low, high = _PORTS[asked.ip_protocol]
    ports = (asked.from_port, asked.to_port)
    ordered = asked.ip_protocol == "icmp" or asked.from_port <= asked.to_port
    if not ordered or not all(low <= port <= high for port in ports):
        raise BadRequest(
            f"Invalid port range {asked.from_port}:{asked.to_port}. Ports of {asked.ip_protocol} go "
            f"from {low} to {high}."
        )


@ROUTES.delete("/os-security-group-rules/<rule_id>", until=LAST, policy=RULE + "rule:delete", status=202)
def delete_rule(call: Call, rule_id: str) -> Result:
    """Delete a rule."""
    runtime().networks.delete_rule(call.ctx, _check(rule_id, "Rule"))
    return None
