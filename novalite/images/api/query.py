"""The query of GET /v2/images: filters, order, page."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import Any, get_args

from werkzeug.datastructures import MultiDict

from novalite.api.schemas import FALSE_WORDS, TRUE_WORDS
from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.images import (
    COLUMNS,
    MEMBER_STATUSES,
    SORT_KEYS,
    STATUSES,
    VISIBILITIES,
    ImageQuery,
    TimeTest,
)

_NUMBERS = ("size", "virtual_size", "min_disk", "min_ram")
_MANY = ("id", "name", "status", "container_format", "disk_format")
"""Columns for which `in:a,b` means any of these."""
MOST_TESTS = 64
"""Each is a search of its own for the database."""
MOST_VALUES = 1000
_TIME_OPS = get_args(TimeTest.model_fields["op"].annotation)


def read(args: MultiDict[str, str], default_limit: int, max_limit: int) -> ImageQuery:
    """What the query asks; BadRequest with one sentence when it cannot be answered."""
    found: Record = {"equals": {}, "properties": {}, "times": []}
    found["tags"] = list(dict.fromkeys(args.getlist("tag")))
    found["sort"] = _sort(args)
    found["limit"] = default_limit
    for name, text in args.items(multi=True):
        _one(found, name, text)
    found["limit"] = min(found["limit"], max_limit)
    if len(found["tags"]) + len(found["properties"]) > MOST_TESTS:
        raise BadRequest(f"A list may be filtered by at most {MOST_TESTS} tags and properties together.")
    return ImageQuery(**found)


def _one(found: Record, name: str, text: str) -> None:
    if name in ("tag", "sort", "sort_key", "sort_dir"):
        return
    if name == "marker":
        found["marker"] = text
    elif name in ("limit", "size_min", "size_max"):
        found[name] = _number(name, text)
    elif name == "visibility":
        found[name] = _one_of(name, text, (*VISIBILITIES, "all"))
    elif name == "member_status":
        found[name] = _one_of(name, text, (*MEMBER_STATUSES, "all"))
    elif name == "os_hidden":
        found[name] = _flag(name, text)
    elif name in ("created_at", "updated_at"):
        found["times"].append(_time(name, text))
    elif name in COLUMNS:
        found["equals"][name] = _values(name, text)
    else:
        found["properties"][name] = text


def _values(name: str, text: str) -> list[Any]:
    if name in _NUMBERS:
        return [_number(name, text)]
    if name == "protected":
        return [_flag(name, text)]
    values = [text]
    if text.startswith("in:") and name in _MANY:
        try:
            values = next(csv.reader([text[3:]]), [])
        except csv.Error:
            raise BadRequest(f"The filter {name} holds no list after in: .") from None
        if not values or "" in values:
            raise BadRequest(f"The filter {name} names nothing after in: .")
        if len(values) > MOST_VALUES:
            raise BadRequest(f"The filter {name} may name at most {MOST_VALUES} values.")
    if name == "status":
        values = [_one_of(name, value, STATUSES) for value in values]
    return values


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise BadRequest(f"{name} must be a whole number that is not negative.")
    return int(text)


def _one_of(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise BadRequest(f"{name} must be one of {', '.join(allowed)}.")
    return text


def _flag(name: str, text: str) -> bool:
    if text not in TRUE_WORDS | FALSE_WORDS:
        raise BadRequest(f"{name} must be true or false.")
    return text in TRUE_WORDS


def _time(name: str, text: str) -> TimeTest:
    op, colon, rest = text.partition(":")
    if not colon or op not in _TIME_OPS:
        op, rest = "eq", text
    try:
        moment = datetime.fromisoformat(rest)
        plain = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} must be a time such as gt:2026-01-31T10:00:00Z.") from None
    return TimeTest.model_validate({"column": name, "op": op, "moment": plain.isoformat()})


def _sort(args: MultiDict[str, str]) -> list[tuple[str, str]]:
    """`sort=name:asc,size` or repeated sort_key with sort_dir, not both."""
    keys, ways = args.getlist("sort_key"), args.getlist("sort_dir")
    if "sort" in args:
        if keys or ways:
            raise BadRequest("sort cannot be given together with sort_key or sort_dir.")
        pairs = [part.partition(":") for part in args["sort"].split(",")]
        asked = [(key.strip(), way.strip() or "desc") for key, _, way in pairs]
    else:
        if len(ways) > 1 and len(ways) != len(keys):
            raise BadRequest("There must be one sort_dir for all, or one for each sort_key.")
        keys = keys or ["created_at"]
        asked = [(key, ways[i] if i < len(ways) else (ways or ["desc"])[0]) for i, key in enumerate(keys)]
    for key, way in asked:
        if key not in SORT_KEYS:
            raise BadRequest(f"Images cannot be sorted by {key[:60]}; sort keys are {', '.join(SORT_KEYS)}.")
        _one_of("sort_dir", way, ("asc", "desc"))
    return list(dict(asked).items())
