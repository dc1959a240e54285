"""What every message between daemons is made of: frozen values that tolerate unknown fields."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any, NewType, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict

Record = dict[str, Any]
"""A row as plain JSON: what `db/` reads and views render. Built by our own code, so not validated."""

Packed = NewType("Packed", str)
"""A large answer as one compressed JSON string: crosses the bus without being encoded twice."""


class Message(BaseModel):
    """A frozen value that crosses the bus as JSON.

    Unknown fields are ignored and new fields arrive with a default, so that a newer and an older
    daemon understand each other.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


M = TypeVar("M", bound=Message)


def made(cls: type[M], **fields: Any) -> M:
    """A message of values that our own code made: not validated, and with all its fields, or a default is missing."""
    one = cls.__new__(cls)
    _set(one, "__dict__", fields)
    _set(one, "__pydantic_fields_set__", _all_fields(cls))
    _set(one, "__pydantic_extra__", None)
    _set(one, "__pydantic_private__", None)
    return one


_set = object.__setattr__


@cache
def _all_fields(cls: type[Message]) -> set[str]:
    """One set for all of a class: messages are frozen, and what copies one copies its set."""
    return set(cls.model_fields)


_MARK = ":"
"""Begins what is packed as below; releases before wrote Base85, which has no colon."""


def pack(value: Any) -> Packed:
    """Encode `value` once as compressed JSON; level 1 because the bus is local and time matters."""
    return Packed(_MARK + base64.b64encode(zlib.compress(orjson.dumps(value), 1)).decode("ascii"))


def unpack(packed: Packed) -> Any:
    """The value that `pack` was given."""
    data = base64.b64decode(packed[1:]) if packed.startswith(_MARK) else base64.b85decode(packed)
    return orjson.loads(zlib.decompress(data))


def pack_rows(
    keys: list[str], rows: list[list[Any]], shared: Mapping[str, list[Any]] | None = None
) -> Packed:
    """Records that have the same keys, without saying the keys each time.

    `shared`: by key, values that are said once; in the rows stands their place in the list, or None.
    """
    return pack({"keys": keys, "rows": rows} | ({"shared": shared} if shared else {}))


def unpack_records(packed: Packed) -> list[Record]:
    """The records of `pack_rows`, or of `pack` over a list of them. Shared values are one object: to be read."""
    found = unpack(packed)
    if isinstance(found, list):
        return found
    keys, rows = found["keys"], found["rows"]
    for key, values in found.get("shared", {}).items():
        at = keys.index(key)
        for row in rows:
            if (place := row[at]) is not None:
                row[at] = values[place]
    return [dict(zip(keys, row, strict=False)) for row in rows]
