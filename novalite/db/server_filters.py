"""Filters of server lists as conditions of SQL. Names and values have been checked by whoever asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Text, and_, false, func, literal, not_, or_, true, type_coerce

from novalite.db import interfaces
from novalite.db.models.base import from_iso
from novalite.db.servers import Server
from novalite.objects.servers import ServerQuery
from novalite.states import SOFT_DELETED, vm_states_of

EQUALS: dict[str, Any] = {
    "uuid": Server.id,
    "id": Server.id,
    "user_id": Server.user_id,
    "project_id": Server.project_id,
    "host": Server.host,
    "node": Server.node,
    "image": Server.image_id,
    "flavor": Server.flavor_id,
    "availability_zone": Server.availability_zone,
    "key_name": Server.key_name,
    "config_drive": Server.config_drive,
    "power_state": Server.power_state,
    "task_state": Server.task_state,
    "vm_state": Server.vm_state,
    "progress": Server.progress,
    "reservation_id": Server.reservation_id,
    "launch_index": Server.launch_index,
    "kernel_id": Server.kernel_id,
    "ramdisk_id": Server.ramdisk_id,
    "root_device_name": Server.root_device_name,
    "locked_by": Server.locked_by,
    "auto_disk_config": Server.disk_config,
    "access_ip_v4": Server.access_ip_v4,
    "access_ip_v6": Server.access_ip_v6,
    "hostname": Server.hostname,
}
"""Filters that compare a column with one value or with any of a list."""

PATTERNS: dict[str, Any] = {
    "name": Server.name,
    "description": Server.description,
}
"""Filters that are regular expressions (API reference: `name`)."""

ADDRESSES = {"ip": 4, "ip6": 6}
"""Filters that are regular expressions for the beginning of a fixed address, and their IP versions."""

MOMENTS: dict[str, Any] = {
    "created_at": Server.created_at,
    "launched_at": Server.launched_at,
    "terminated_at": Server.terminated_at,
}
"""Filters for the moment of something; one without a fraction means that whole second."""

TAGS: dict[str, Any] = {
    # filter: (how tags combine, whether the combination is wanted)
    "tags": (and_, True),
    "tags-any": (or_, True),
    "not-tags": (and_, False),
    "not-tags-any": (or_, False),
}
_IMAGE = "image_"
"""System metadata with this prefix is a property of the image; this cloud keeps no other."""


def conditions(query: ServerQuery) -> list[ColumnElement[bool]]:
    """Everything that a row must fulfil."""
    where: list[ColumnElement[bool]] = []
    if query.project_id is not None:
        where.append(Server.project_id == query.project_id)
    where += _gone(query)
    # An index is used for `= false`, but on MariaDB not for IS FALSE; and not for a function of two columns.
    if query.changes_since is not None:
        where.append(Server.updated_at >= from_iso(query.changes_since))
    if query.changes_before is not None:
        where.append(Server.updated_at <= from_iso(query.changes_before))
    return where + [_condition(name, value) for name, value in query.filters.items()]


def _gone(query: ServerQuery) -> list[ColumnElement[bool]]:
    """Deleted rows and those that can still be restored, wanted or not (see ServerQuery)."""
    restorable = Server.vm_state == SOFT_DELETED
    if query.deleted is None:
        return []
    row = Server.deleted == literal(query.deleted)
    if query.deleted:
        return [or_(row, restorable) if query.soft_deleted else row]
    return [row, not_(restorable)] if query.soft_deleted is False else [row]


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    """One filter; an unknown name is a programming error of the caller, who has checked names."""
    if name in EQUALS:
        column = EQUALS[name]
        if isinstance(value, list | tuple):
            return column.in_(list(value))
        return column.is_(None) if value is None else column == value
    if name in PATTERNS:
        return PATTERNS[name].regexp_match(str(value))
    if name in ADDRESSES:
        return Server.id.in_(interfaces.with_address(ADDRESSES[name], str(value)))
    if name in MOMENTS:
        return _at(MOMENTS[name], str(value))
    if name == "status":
        return or_(*[_of_status(one) for one in (value if isinstance(value, list | tuple) else [value])])
    if name == "locked":
        return Server.locked_by.is_not(None) if value else Server.locked_by.is_(None)
    if name == "metadata":
        return and_(true(), *[_has_item(Server["metadata"], k, v) for k, v in value.items()])
    if name == "system_metadata":
        return and_(true(), *[_has_property(k, v) for k, v in value.items()])
    if name in TAGS:
        combine, wanted = TAGS[name]
        condition = (
            combine(*[_holds(Server.tags, "[", orjson.dumps(tag)) for tag in value]) if value else true()
        )
        return condition if wanted or not value else not_(condition)
    raise KeyError(name)


def _at(column: Any, text: str) -> ColumnElement[bool]:
    moment = from_iso(text)
    assert moment is not None
    if moment.microsecond:
        return column == moment
    return and_(column >= moment, column < moment + timedelta(seconds=1))


def _holds(column: Any, opener: str, part: bytes) -> ColumnElement[bool]:
    """Whether the JSON in the column has this piece, behind its opening bracket or a comma: elsewhere it would
    be the end of a longer string. REPLACE minds case on every database, LIKE does not."""
    stored = type_coerce(column, Text)
    pieces = (opener + part.decode(), "," + part.decode())
    return or_(*[func.replace(stored, piece, "") != stored for piece in pieces])


def _has_item(column: Any, key: str, value: str) -> ColumnElement[bool]:
    return _holds(column, "{", orjson.dumps({key: value})[1:-1])


def _has_property(key: str, value: str) -> ColumnElement[bool]:
    if not key.startswith(_IMAGE):
        return false()
    return _has_item(Server.image_properties, key.removeprefix(_IMAGE), value)


def _of_status(shown: str) -> ColumnElement[bool]:
    """Servers that show this status; none for one that does not exist."""
    vm_states, task_states = vm_states_of(shown)
    condition: ColumnElement[bool] = Server.vm_state.in_(vm_states)
    return condition & Server.task_state.in_(task_states) if task_states else condition
