"""Count what is in use and compare it with limits, inside the transaction that adds to it.

The lock makes the race exact: of two requests that each fit alone but not together, one is refused.
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping, Sequence

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.conf.quota import DEFAULTS
from novalite.db import keypairs, quotas, server_groups
from novalite.errors import OverQuota

UNLIMITED = -1
NETWORK = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
"""Limits of older microversions, kept as they are told and enforced by nobody: networks have their own."""

RESOURCES = (*DEFAULTS, *NETWORK)
COUNTED = ("instances", "cores", "ram")
"""Counted over the servers of a project."""


def defaults(conf: ConfigOpts, stored: Mapping[tuple[str, str], Mapping[str, int]]) -> dict[str, int]:
    """Limits of a project that has none of its own; `stored` is an answer of db.quotas.stored."""
    configured = {name: int(conf.quota[name]) for name in DEFAULTS}
    return {**configured, **dict.fromkeys(NETWORK, UNLIMITED), **stored.get(("", ""), {})}


def limits(session: Session, conf: ConfigOpts, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Limits by resource of a project, or of one user in it; one statement."""
    stored = quotas.stored(session, project_id, user_id or "")
    found = {**defaults(conf, stored), **stored.get((project_id, ""), {})}
    return {**found, **stored.get((project_id, user_id), {})} if user_id else found


def check(
    session: Session,
    conf: ConfigOpts,
    project_id: str | None,
    deltas: Mapping[str, int],
    user_id: str | None = None,
    counted: bool = False,
) -> None:
    """Raise OverQuota unless the project, and the user if it has limits there, may use that much more.

    `deltas`: instances, cores, ram (MB); `counted`: they are in what is in use already, by this transaction.
    Keeps the project locked until the transaction ends.
    """
    for used, allowed in _held(session, conf, project_id or "", user_id):
        before = {name: used.get(name, 0) - deltas[name] for name in deltas} if counted else used
        compare(deltas, before, allowed)


def _held(
    session: Session, conf: ConfigOpts, project: str, user_id: str | None
) -> list[tuple[Mapping[str, int], Mapping[str, int]]]:
    """(use, limits) of the project, and of the user if it has limits there. Locks the project first."""
    quotas.lock(session, project)
    stored = quotas.stored(session, project, user_id or "")
    allowed = {**defaults(conf, stored), **stored.get((project, ""), {})}
    held: list[tuple[Mapping[str, int], Mapping[str, int]]] = [(quotas.in_use(session, project), allowed)]
    if user_id and (own := stored.get((project, user_id))):
        held.append((quotas.in_use(session, project, user_id), {**allowed, **own}))
    return held


def affordable(
    session: Session,
    conf: ConfigOpts,
    project_id: str | None,
    each: Mapping[str, int],
    low: int,
    high: int,
    user_id: str | None = None,
) -> int:
    """The most of `low` to `high` things, each taking `each`, that `check` lets through; else OverQuota.

    Use and limits are read once, however many are asked for.
    """
    held = _held(session, conf, project_id or "", user_id)
    most = min([high, *(headroom(each, used, allowed) for used, allowed in held)])
    if most < low:
        for used, allowed in held:
            compare({name: amount * low for name, amount in each.items()}, used, allowed)
    return int(most)


def headroom(each: Mapping[str, int], used: Mapping[str, int], allowed: Mapping[str, int]) -> float:
    """How many more things, each taking `each`, the limits leave room for; infinity without limits."""
    rooms = [
        max(0, allowed[name] - used.get(name, 0)) // amount
        for name, amount in each.items()
        if amount > 0 and allowed[name] != UNLIMITED
    ]
    return min(rooms, default=math.inf)


def compare(deltas: Mapping[str, int], used: Mapping[str, int], allowed: Mapping[str, int]) -> None:
    """Raise OverQuota naming every resource of which `used` plus its delta is more than allowed."""
    over = [
        name
        for name, delta in sorted(deltas.items())
        if delta > 0 and allowed[name] != UNLIMITED and used.get(name, 0) + delta > allowed[name]
    ]
    if over:
        raise OverQuota(
            resources=", ".join(over),
            requested=", ".join(str(deltas[name]) for name in over),
            used=", ".join(str(used.get(name, 0)) for name in over),
            allowed=", ".join(str(allowed[name]) for name in over),
        )


def check_metadata(session: Session, conf: ConfigOpts, project_id: str | None, count: int) -> None:
    """Raise OverQuota when one server would have that many metadata items."""
    if count:
        compare({"metadata_items": count}, {}, limits(session, conf, project_id or ""))


def check_files(
    session: Session, conf: ConfigOpts, project_id: str | None, files: Sequence[Mapping[str, str]]
) -> None:
    """Raise OverQuota for more files, longer paths or larger contents (bytes, decoded) than allowed.

    `files`: path and base64 contents of each.
    """
    if files:
        deltas = {
            "injected_files": len(files),
            "injected_file_path_bytes": max(len(file["path"].encode()) for file in files),
            "injected_file_content_bytes": max(len(b64decode(file["contents"])) for file in files),
        }
        compare(deltas, {}, limits(session, conf, project_id or ""))


def check_keypairs(session: Session, conf: ConfigOpts, project_id: str | None, user_id: str) -> None:
    """Raise OverQuota when the user has as many keypairs as it may. Keeps the user locked."""
    quotas.lock(session, f"user:{user_id}")
    allowed = limits(session, conf, project_id or "", user_id)
    compare({"key_pairs": 1}, {"key_pairs": keypairs.count(session, user_id)}, allowed)


def check_server_groups(session: Session, conf: ConfigOpts, project_id: str, user_id: str) -> None:
    """Raise OverQuota when the project, or the user in it, has as many server groups as it may. Keeps the
    project locked."""
    quotas.lock(session, project_id)
    stored = quotas.stored(session, project_id, user_id)
    allowed = {**defaults(conf, stored), **stored.get((project_id, ""), {})}
    compare({"server_groups": 1}, {"server_groups": server_groups.count(session, project_id)}, allowed)
    if own := stored.get((project_id, user_id)):
        used = {"server_groups": server_groups.count(session, project_id, user_id)}
        compare({"server_groups": 1}, used, {**allowed, **own})


def check_group_members(
    session: Session, conf: ConfigOpts, project_id: str | None, user_id: str | None, have: int, more: int
) -> None:
    """Raise OverQuota when a server group of `have` servers may not have `more`."""
    allowed = limits(session, conf, project_id or "", user_id)
    compare({"server_group_members": more}, {"server_group_members": have}, allowed)
