"""Queries of lists: filters by any field, fields to show, order, pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from novalite.api.schemas import FALSE_WORDS, TRUE_WORDS
from novalite.errors import BadRequest
from novalite.networks.api.fields import Field, Noun
from novalite.objects.base import Record
from novalite.objects.networks import NetworkQuery

_PAGING = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")
_TAG_FILTERS = {"tags": "tags_all", "tags-any": "tags_any", "not-tags": "not_all", "not-tags-any": "not_any"}
_PORT_PARTS = {"ip_address": "addresses", "subnet_id": "subnets", "ip_address_substr": "address_parts"}
MOST_VALUES = 1000
MOST_TAGS = 64
"""Each is a search of its own for the database."""


def read(noun: Noun, args: MultiDict[str, str], most: int) -> NetworkQuery:
    """What the query asks; BadRequest with one sentence when it cannot be answered."""
    found: Record = {"equals": {}}
    for name in args:
        if name not in _PAGING:
            _filter(found, noun, name, args.getlist(name))
    found["sort"] = _sort(noun, args)
    found["limit"] = _limit(args, most)
    found["marker"] = args.get("marker") or None
    found["reverse"] = "page_reverse" in args and _flag("page_reverse", args["page_reverse"])
    return NetworkQuery(**found)


def _filter(found: Record, noun: Noun, name: str, texts: list[str]) -> None:
    if len(texts) > MOST_VALUES:
        raise BadRequest(f"The filter {name[:60]} may name at most {MOST_VALUES} values.")
    if name in _TAG_FILTERS and noun.tagged:
        tags = [tag for text in texts for tag in text.split(",") if tag]
        if len(tags) > MOST_TAGS:
            raise BadRequest(f"A list may be filtered by at most {MOST_TAGS} tags.")
        found[_TAG_FILTERS[name]] = tags
        return
    if noun.kind == "port" and name == "fixed_ips":
        _fixed_ips(found, texts)
        return
    if noun.kind == "port" and name == "security_groups":
        found["groups"] = texts
        return
    field = noun.field(name)
    if field is None or field.filters is None:
        raise BadRequest(f"['{name[:60]}'] is invalid attribute for filtering")
    found["equals"][field.key] = [_value(field, text) for text in texts]


def _fixed_ips(found: Record, texts: list[str]) -> None:
    """`fixed_ips=ip_address=10.0.0.1`, `fixed_ips=subnet_id=…`, `fixed_ips=ip_address_substr=10.0`."""
    for text in texts:
        name, _, value = text.partition("=")
        if name not in _PORT_PARTS or not value:
            raise BadRequest(f"The filter fixed_ips takes {', '.join(_PORT_PARTS)}, each with = and a value.")
        found.setdefault(_PORT_PARTS[name], []).append(value)


def _value(field: Field, text: str) -> Any:
    if field.filters is bool:
        return _flag(field.name, text)
    if field.filters is int:
        if not text.removeprefix("-").isdecimal() or len(text) > 10 or abs(int(text)) > 0x7FFFFFFF:
            raise BadRequest(f"{field.name} must be a whole number.")
        return int(text)
    return text


def _flag(name: str, text: str) -> bool:
    if text not in TRUE_WORDS | FALSE_WORDS:
        raise BadRequest(f"{name} must be true or false.")
    return text in TRUE_WORDS


def _limit(args: MultiDict[str, str], most: int) -> int | None:
    """None: everything. 0 is read as no limit."""
    text = args.get("limit")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise BadRequest("Limit must be an integer 0 or greater and not '" + text[:60] + "'")
    return min(int(text), most) or None


def _sort(noun: Noun, args: MultiDict[str, str]) -> list[tuple[str, str]]:
    keys, ways = args.getlist("sort_key"), args.getlist("sort_dir")
    if ways and len(ways) != len(keys):
        raise BadRequest("The number of sort_keys and sort_dirs must be same")
    found: dict[str, str] = {}
    for number, name in enumerate(keys):
        field = noun.field(name)
        way = ways[number] if ways else "asc"
        if way not in ("asc", "desc"):
            raise BadRequest("sort_dir must be asc or desc.")
        if field is None or (field.filters is None and field.name not in ("created_at", "updated_at")):
            raise BadRequest(f"['{name[:60]}'] is invalid attribute for sort_keys")
        found[field.key] = way
    return list(found.items())


def links(base: str, args: MultiDict[str, str], asked: NetworkQuery, found: Sequence[Record]) -> list[Record]:
    """Where the pages before and after are; none unless pages were asked for."""
    if asked.limit is None:
        return []
    kept = [(name, text) for name, text in args.items(multi=True) if name not in ("marker", "page_reverse")]
    whole = len(found) >= asked.limit
    made = []
    if found and (whole or asked.reverse):
        made.append({"rel": "next", "href": f"{base}?{urlencode([*kept, ('marker', found[-1]['id'])])}"})
    if found and (whole or not asked.reverse) and (asked.marker or asked.reverse):
        before = [*kept, ("marker", found[0]["id"]), ("page_reverse", "True")]
        made.append({"rel": "previous", "href": f"{base}?{urlencode(before)}"})
    return made
