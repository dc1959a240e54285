"""Answers as tables: which field is shown from which microversion on, to whom, and where it comes from.

FLAVOR = View(
    Field("id", lambda r, see: r["flavor_id"]),
    Field("description", lambda r, see: r["description"], since=55),
    Field("rxtx_factor", lambda r, see: r["rxtx_factor"], until=101),
)
FLAVOR.show(record, see)            # one
FLAVOR.show_all(records, see)       # many, with the list of fields picked once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from novalite.api.links import Links
from novalite.api.microversions import Version
from novalite.api.policy import allowed
from novalite.objects.base import Record


class _Absent:
    """What a field's value function answers to leave the field out."""


ABSENT: Any = _Absent()


@dataclass(frozen=True)
class See:
    """How records are looked at: the version, the links of the request, anything a noun needs in `more`.

    `made` holds what fields made of an object that many records share; see `once`.
    """

    version: Version
    links: Links
    more: Any = None
    made: dict[Any, Any] = field(default_factory=dict, compare=False)


Read = Callable[[Record, See], Any]


def once(key: str) -> Callable[[Read], Read]:
    """Decorates a field that depends on nothing of a record but `record[key]`, which records of one page may
    share (objects.base.unpack_records): it is made once for all of them."""

    def around(read: Read) -> Read:
        def value(record: Record, see: See) -> Any:
            source = record[key]
            which = (read, id(source))
            found = see.made.get(which)
            if found is None:  # with its source, so that no other object gets the same id
                found = see.made[which] = (source, read(record, see))
            return found[1]

        return value

    return around


Value = Read | str
"""Where a field comes from: a function, or the key of the record that holds it as it is shown."""


@dataclass(frozen=True)
class Field:
    """One key of an answer. `since` and `until` are minor versions, inclusive.

    `policy` names a rule the caller must pass to see it (asked once per answer). Of several
    fields with one name the last that is visible is shown. `optional` fields may be ABSENT. `kind` is the
    shape of the value for the documents; None: what its name means in shapes.KINDS.
    """

    name: str
    value: Value
    since: int = 1
    until: int | None = None
    policy: str | None = None
    optional: bool = False
    kind: Any = None

    def at(self, minor: int) -> bool:
        """Whether the field exists in that minor version."""
        return self.since <= minor and (self.until is None or minor <= self.until)


@dataclass(frozen=True)
class _Picked:
    """The fields of one version for one kind of caller: plain ones are copied together, the others asked."""

    plain: tuple[str, ...]
    keys: Callable[[Record], tuple[Any, ...]]
    asked: tuple[tuple[str, Read], ...]
    maybe: tuple[tuple[str, Read], ...]


def _copier(keys: list[str]) -> Callable[[Record], tuple[Any, ...]]:
    """All of these keys of a record at once."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda record: tuple(record[key] for key in keys)


class View:
    """The fields of one kind of answer."""

    def __init__(self, *fields: Field) -> None:
        self.fields = fields
        self._rules = tuple(dict.fromkeys(f.policy for f in fields if f.policy))
        self._pick = lru_cache(maxsize=512)(self._picked)

    def _picked(self, minor: int, granted: frozenset[str]) -> _Picked:
        # Of several fields with one name the last that is visible is shown.
        seen = {f.name: f for f in self.fields if f.at(minor) and (f.policy is None or f.policy in granted)}
        plain = {f.name: f.value for f in seen.values() if isinstance(f.value, str)}
        asked = [(f.name, f.value, f.optional) for f in seen.values() if not isinstance(f.value, str)]
        return _Picked(
            plain=tuple(plain),
            keys=_copier(list(plain.values())),
            asked=tuple((name, value) for name, value, optional in asked if not optional),
            maybe=tuple((name, value) for name, value, optional in asked if optional),
        )

    def show_all(self, records: Iterable[Record], see: See) -> list[Record]:
        """Every record as its answer."""
        minor = see.version[1]
        granted = frozenset(rule for rule in self._rules if self._asked_at(rule, minor) and allowed(rule))
        picked = self._pick(minor, granted)
        plain, keys, asked, maybe = picked.plain, picked.keys, picked.asked, picked.maybe
        shown = []
        for record in records:
            answer = dict(zip(plain, keys(record), strict=False))
            for name, value in asked:
                answer[name] = value(record, see)
            for name, value in maybe:
                if (found := value(record, see)) is not ABSENT:
                    answer[name] = found
            shown.append(answer)
        return shown

    def _asked_at(self, rule: str, minor: int) -> bool:
        return any(f.policy == rule and f.at(minor) for f in self.fields)

    def show(self, record: Record, see: See) -> Record:
        """One record as its answer."""
        return self.show_all((record,), see)[0]
