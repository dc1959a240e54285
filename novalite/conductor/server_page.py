"""A page of servers, packed for the API: JSON columns are passed on as they are stored, never
read, and said once for all servers that hold the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.conductor.server_networks import offered
from novalite.context import Context
from novalite.db import interfaces, server_lists, servers, services
from novalite.objects.base import Packed, Record, pack_rows
from novalite.objects.servers import ServerQuery

COMPUTE = (services.Service.binary == "nova-compute",)
_MORE = ["instance_name", "host_status", "addresses", "volumes"]


def packed(session: Session, ctx: Context, query: ServerQuery, conf: ConfigOpts) -> Packed:
    """The page; one more statement for administrators, who see the state of hosts, and two for addresses and
    security groups where there are networks."""
    keys, rows = server_lists.rows(session, query)
    if not query.detail:
        return pack_rows(keys, [list(row) for row in rows])
    number, host = keys.index("number"), keys.index("host")
    json = [at for at, key in enumerate(keys) if key in server_lists.JSON_KEYS]
    said: dict[int, dict[str, int]] = {at: {} for at in json} if query.shares else {}
    down_after = conf.service_down_time
    status = host_states(session, down_after) if ctx.is_admin and any(row[host] for row in rows) else {}
    which, groups = keys.index("id"), keys.index("security_groups")
    linked = connections(session, conf, [row[which] for row in rows])
    page = []
    for row in rows:
        values: list[Any] = list(row)
        for at in json:
            if (text := values[at]) is not None:
                values[at] = said[at].setdefault(text, len(said[at])) if said else orjson.Fragment(text)
        on, link = values[host], linked(values[which])
        if link.groups is not None:
            values[groups] = _place(said[groups], link.groups) if said else link.groups
        state = status.get(on, "UNKNOWN") if on else ""
        values += (servers.instance_name(values[number]), state, link.addresses, [])
        page.append(values)
    shared = {keys[at]: [orjson.Fragment(text) for text in texts] for at, texts in said.items()}
    return pack_rows([*keys, *_MORE], page, shared)


def _place(texts: dict[str, int], value: Any) -> int:
    """Where `value` is said among `texts`."""
    return texts.setdefault(orjson.dumps(value).decode(), len(texts))


@dataclass(frozen=True)
class Link:
    """How a server is connected: addresses by network, and groups; None: those that its record names."""

    addresses: dict[str, list[Record]]
    groups: list[str] | None


UNCONNECTED = Link({}, None)


def connections(session: Session, conf: ConfigOpts, server_ids: Sequence[str]) -> Callable[[str], Link]:
    """How each of these servers is connected, by its id; two statements where there are networks. A server whose
    ports are not there yet has the groups that were asked for."""
    if not offered(conf) or not server_ids:
        return lambda server_id: UNCONNECTED
    addresses = interfaces.addresses(session, server_ids)
    groups = interfaces.group_names(session, server_ids) if addresses else {}

    def link(server_id: str) -> Link:
        found = addresses.get(server_id)
        return UNCONNECTED if found is None else Link(found, groups.get(server_id, []))

    return link


def connect(session: Session, conf: ConfigOpts, records: list[Record]) -> None:
    """Give records their addresses, and the security groups of their ports."""
    linked = connections(session, conf, [record["id"] for record in records])
    for record in records:
        link = linked(record["id"])
        record["addresses"] = link.addresses
        if link.groups is not None:
            record["security_groups"] = link.groups


def host_states(session: Session, down_after: float) -> dict[str, str]:
    """The state of every compute host, by name."""
    return {s["host"]: _state(s, down_after) for s in services.page(session, *COMPUTE)}


def _state(service: Record, down_after: float) -> str:
    """UP, DOWN, MAINTENANCE or UNKNOWN (API reference: host_status)."""
    if service["forced_down"]:
        return "DOWN"
    if not services.is_up(service, down_after):
        return "UNKNOWN"
    return "MAINTENANCE" if service["disabled"] else "UP"
