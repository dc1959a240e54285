"""A page of servers, packed for the API: JSON columns are passed on as they are stored, never read."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db import server_lists, servers, services
from novalite.objects.base import Packed, Record, pack_rows
from novalite.objects.servers import ServerQuery

COMPUTE = (services.Service.binary == "nova-compute",)
_MORE = ["instance_name", "host_status", "addresses", "volumes"]


def packed(session: Session, ctx: Context, query: ServerQuery, down_after: float) -> Packed:
    """The page; one more statement for administrators, who see the state of hosts."""
    keys, rows = server_lists.rows(session, query)
    if not query.detail:
        return pack_rows(keys, [list(row) for row in rows])
    number, host = keys.index("number"), keys.index("host")
    json = [at for at, key in enumerate(keys) if key in server_lists.JSON_KEYS]
    status = host_states(session, down_after) if ctx.is_admin and any(row[host] for row in rows) else {}
    page = []
    for row in rows:
        values: list[Any] = list(row)
        for at in json:
            if (text := values[at]) is not None:
                values[at] = orjson.Fragment(text)
        on = values[host]
        values += (servers.instance_name(values[number]), status.get(on, "UNKNOWN") if on else "", {}, [])
        page.append(values)
    return pack_rows([*keys, *_MORE], page)


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
