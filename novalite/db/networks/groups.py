"""Security groups and their rules, and who is in which group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.network_services import PortGroup, SecurityGroup, SecurityGroupRule
from novalite.db.models.networks import IpAllocation, NetworkPort, NetworkTag
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.ip_ranges import whole
from novalite.objects.network_errors import (
    CannotDeleteDefaultGroup,
    CannotRenameDefaultGroup,
    SecurityGroupDefaultExists,
    SecurityGroupInUse,
    SecurityGroupNotFound,
    SecurityGroupRuleExists,
    SecurityGroupRuleNotFound,
)

DEFAULT = "default"
_MATTERS = (
    "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id",
)  # fmt: skip


def get(session: Session, group_id: str) -> Record:
    """A group with its security_group_rules."""
    found = rows.first(session, SecurityGroup, SecurityGroup.id == group_id)
    if found is None:
        raise SecurityGroupNotFound(group_id=group_id)
    return complete(session, [found])[0]


def complete(session: Session, groups: list[Record]) -> list[Record]:
    """The same with security_group_rules, oldest first, and tags."""
    ids = [group["id"] for group in groups]
    of = rules_of(session, ids)
    tags = rows.tags_of(session, ids)
    for group in groups:
        group["security_group_rules"], group["tags"] = of[group["id"]], tags[group["id"]]
    return groups


def rules_of(session: Session, group_ids: Iterable[str]) -> dict[str, list[Record]]:
    """Rules by group; one statement."""
    row = SecurityGroupRule
    found: dict[str, list[Record]] = {one: [] for one in group_ids}
    if found:
        order = (row.created_at, row.id)
        for rule in rows.fetch(session, row, row.security_group_id.in_(list(found)), order=order):
            found[rule["security_group_id"]].append(rule)
    return found


def default_of(session: Session, project_id: str) -> str:
    """The id of a project's default group; made, with its four rules, when it is not there yet."""
    row = SecurityGroup
    query = select(row.id).where(row.default_of == project_id)
    found = session.scalar(query)
    if found is not None:
        return found
    values = {"project_id": project_id, "name": DEFAULT, "description": "Default security group"}
    try:
        with session.begin_nested():
            return str(create(session, {**values, "default_of": project_id})["id"])
    except IntegrityError:  # somebody else made it while we looked
        return session.scalars(query).one()


def create(session: Session, values: Mapping[str, Any]) -> Record:
    """A group that lets out everything; a default one lets in its members too."""
    default = values.get("default_of") is not None
    if values["name"] == DEFAULT and not default:
        raise SecurityGroupDefaultExists
    group_id = str(uuid4())
    session.execute(insert(SecurityGroup).values(id=group_id, **values))
    for ethertype in ("IPv4", "IPv6"):
        add_rule(session, group_id, values["project_id"], {"direction": "egress", "ethertype": ethertype})
        if default:
            own = {"direction": "ingress", "ethertype": ethertype, "remote_group_id": group_id}
            add_rule(session, group_id, values["project_id"], own)
    return get(session, group_id)


def change(session: Session, group_id: str, values: Mapping[str, Any]) -> Record:
    """Rename or describe it."""
    found = get(session, group_id)
    if found["default_of"] is not None and values.get("name", DEFAULT) != DEFAULT:
        raise CannotRenameDefaultGroup
    if found["default_of"] is None and values.get("name") == DEFAULT:
        raise SecurityGroupDefaultExists
    rows.touch(session, SecurityGroup, SecurityGroup.id == group_id, **values)
    return get(session, group_id)


def remove(session: Session, group_id: str, default_too: bool = False) -> None:
    """The group and its rules; SecurityGroupInUse while a port or a rule of another group needs it."""
    found = rows.first(session, SecurityGroup, SecurityGroup.id == group_id, lock="write")
    if found is None:
        raise SecurityGroupNotFound(group_id=group_id)
    if found["default_of"] is not None and not default_too:
        raise CannotDeleteDefaultGroup
    used = select(exists().where(PortGroup.security_group_id == group_id))
    if session.scalar(used):
        raise SecurityGroupInUse(group_id=group_id)
    rule = SecurityGroupRule
    mine = (rule.security_group_id == group_id) | (rule.remote_group_id == group_id)
    session.execute(delete(rule).where(mine))
    session.execute(delete(SecurityGroup).where(SecurityGroup.id == group_id))
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == group_id))


# --- rules ----------------------------------------------------------------------------------------


def rule(session: Session, rule_id: str) -> Record:
    """One rule."""
    found = rows.first(session, SecurityGroupRule, SecurityGroupRule.id == rule_id)
    if found is None:
        raise SecurityGroupRuleNotFound(rule_id=rule_id)
    return found


def add_rule(session: Session, group_id: str, project_id: str, values: Mapping[str, Any]) -> Record:
    """A rule whose values are valid; SecurityGroupRuleExists when the group has it already."""
    row = SecurityGroupRule
    facts = {name: values.get(name) for name in _MATTERS}
    prefix = facts["remote_ip_prefix"]
    meant = {**facts, "remote_ip_prefix": None if prefix is None else whole(prefix)}
    mark = hashlib.sha256(repr(sorted(meant.items())).encode()).hexdigest()
    twin = select(row.id).where(row.security_group_id == group_id, row.fingerprint == mark)
    if (there := session.scalar(twin)) is not None:
        raise SecurityGroupRuleExists(rule_id=there)
    made: Record = {"id": str(uuid4()), "description": values.get("description") or "", **facts}
    owned = {"security_group_id": group_id, "project_id": project_id, "fingerprint": mark}
    try:
        with session.begin_nested():
            session.execute(insert(row).values(**made, **owned))
    except IntegrityError:
        raise SecurityGroupRuleExists(rule_id=session.scalar(twin)) from None
    return rule(session, made["id"])


def remove_rule(session: Session, rule_id: str) -> Record:
    """The rule is gone; answers what it was."""
    found = rule(session, rule_id)
    session.execute(delete(SecurityGroupRule).where(SecurityGroupRule.id == rule_id))
    return found


# --- who is in which ------------------------------------------------------------------------------


def of_ports(session: Session, port_ids: Iterable[str]) -> dict[str, list[str]]:
    """Ids of groups by port."""
    row = PortGroup
    found: dict[str, list[str]] = {one: [] for one in port_ids}
    if found:
        query = select(row.port_id, row.security_group_id).where(row.port_id.in_(list(found)))
        for port_id, group_id in session.execute(query.order_by(row.security_group_id)):
            found[port_id].append(group_id)
    return found


def set_of_port(session: Session, port_id: str, group_ids: Iterable[str]) -> None:
    """A port is in these groups and no other. SecurityGroupNotFound unless all are there; they stay until the
    transaction ends."""
    wanted = sorted(set(group_ids))
    if wanted:
        there = set(
            session.scalars(
                select(SecurityGroup.id)
                .where(SecurityGroup.id.in_(wanted))
                .order_by(SecurityGroup.id)
                .with_for_update(read=True)
            )
        )
        for group_id in wanted:
            if group_id not in there:
                raise SecurityGroupNotFound(group_id=group_id)
    session.execute(delete(PortGroup).where(PortGroup.port_id == port_id))
    if wanted:
        values = [{"port_id": port_id, "security_group_id": group_id} for group_id in wanted]
        session.execute(insert(PortGroup), values)


def members(session: Session, group_ids: Iterable[str]) -> dict[str, list[str]]:
    """Addresses of the ports in each group, and those that are allowed to them besides: what a rule with a remote
    group lets through."""
    found: dict[str, set[str]] = {one: set() for one in group_ids}
    if found:
        mine, held, port = PortGroup, IpAllocation, NetworkPort
        chosen = mine.security_group_id.in_(list(found))
        query = select(mine.security_group_id, held.ip_address).join(held, held.port_id == mine.port_id)
        for group_id, address in session.execute(query.where(chosen)):
            found[group_id].add(address)
        pairs = select(mine.security_group_id, port.allowed_address_pairs).join(port, port.id == mine.port_id)
        # An empty list is "[]" in the database; most ports have no pairs, and those are not read at all.
        for group_id, allowed in session.execute(pairs.where(chosen, port.allowed_address_pairs != [])):
            found[group_id].update(pair["ip_address"] for pair in allowed)
    return {group_id: sorted(addresses) for group_id, addresses in found.items()}


def hosts_of(session: Session, group_ids: Iterable[str]) -> list[str]:
    """Hosts that enforce one of the groups, or a rule that names one of them."""
    ids = list(group_ids)
    naming = select(SecurityGroupRule.security_group_id).where(SecurityGroupRule.remote_group_id.in_(ids))
    query = (
        select(NetworkPort.host)
        .join(PortGroup, PortGroup.port_id == NetworkPort.id)
        .where(NetworkPort.host != "")
        .where(PortGroup.security_group_id.in_(ids) | PortGroup.security_group_id.in_(naming))
    )
    return sorted(session.scalars(query.distinct()))
