"""Query strings: which keys a route knows at which version, what their values are, and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from novalite.api.microversions import Version
from novalite.api.schemas import FALSE_WORDS, TRUE_WORDS
from novalite.errors import BadRequest

Parser = Callable[[str], Any]


def says(**facts: Any) -> Callable[[Parser], Parser]:
    """Mark a parser with what it accepts, in words of JSON Schema, for the documents."""

    def mark(parser: Parser) -> Parser:
        parser.__says__ = facts  # type: ignore[attr-defined]
        return parser

    return mark


@says(type="string", maxLength=1024)
def text(value: str) -> str:
    """Anything, up to a length no name, id or regular expression needs."""
    if len(value) > 1024:
        raise ValueError("it is too long")
    return value


def integer(low: int = 0) -> Parser:
    """A whole number of at least `low`."""

    @says(type="integer", minimum=low)
    def read(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value.strip()) or int(value) < low:
            raise ValueError(f"it must be an integer of at least {low}")
        return int(value)

    return read


@says(type="string", description="A word that means yes or no: true, false, 1, 0, yes, no, on, off.")
def boolean(value: str) -> bool:
    """A word that means yes or no; an empty value means yes, as in `?deleted`."""
    word = value.strip().lower()
    if word in ("t", "y", "") or word in TRUE_WORDS:
        return True
    if word in ("f", "n") or word in FALSE_WORDS:
        return False
    raise ValueError("it must be a boolean")


def one_of(*allowed: str) -> Parser:
    """One of the words given."""

    @says(type="string", enum=list(allowed))
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError("it must be one of " + ", ".join(allowed))
        return value

    return read


@says(type="string", description="A time in ISO 8601; without a zone it is UTC.")
def when(value: str) -> str:
    """A time in ISO 8601, answered as `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC."""
    try:
        # An unescaped "+" of a time zone arrives as a blank.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", value.strip()))
    except ValueError:
        raise ValueError("it must be a time in ISO 8601") from None
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("it must be a time in ISO 8601") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0")


@dataclass(frozen=True)
class Key:
    """One query key: how its value is read, and the minor versions that know it."""

    read: Parser = text
    since: int = 1
    until: int | None = None

    def at(self, minor: int) -> bool:
        """Whether that minor version knows the key."""
        return self.since <= minor and (self.until is None or minor <= self.until)


class Query:
    """The query keys of one route.

    Keys it does not know are ignored below minor version `strict_since` and refused from there on:
    75 for lists, 102 for every other GET.
    """

    def __init__(self, strict_since: int = 75, **keys: Key | Parser) -> None:
        self.strict_since = strict_since
        self.keys = {
            name.replace("_dash_", "-"): key if isinstance(key, Key) else Key(key)
            for name, key in keys.items()
        }

    def plus(self, keys: Mapping[str, Key | Parser]) -> Query:
        """The same with more keys; for names that are no Python words."""
        more = Query(self.strict_since)
        more.keys = self.keys | {n: k if isinstance(k, Key) else Key(k) for n, k in keys.items()}
        return more

    def parse(self, pairs: list[tuple[str, str]], version: Version) -> Asked:
        """What a request asks; BadRequest naming the first key that is wrong."""
        values: dict[str, list[Any]] = {}
        for name, value in pairs:
            key = self.keys.get(name)
            if key is None or not key.at(version[1]):
                if version[1] >= self.strict_since:
                    raise BadRequest(f"Invalid query parameter {name[:60]}. There is no such key here.")
                continue
            try:
                values.setdefault(name, []).append(key.read(value))
            except ValueError as error:
                raise BadRequest(f"Invalid input for query parameter {name}: {error}.") from None
        return Asked(values)


class Asked:
    """The query of one request, read: every key with its values in order."""

    def __init__(self, values: dict[str, list[Any]]) -> None:
        self.values = values

    def one(self, name: str, default: Any = None) -> Any:
        """The last value of a key."""
        found = self.values.get(name)
        return found[-1] if found else default

    def all(self, name: str) -> list[Any]:
        """Every value of a key."""
        return self.values.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)


ANY = Query(strict_since=102)
"""No key at all, for GETs of one item."""

PAGED = {"limit": Key(integer(0)), "marker": Key(text)}
SORTED = {"sort_key": Key(text), "sort_dir": Key(one_of("asc", "desc"))}
