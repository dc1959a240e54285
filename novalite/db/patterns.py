"""May a regular expression of a user's be handed to Python's matcher? SQLite has no other.

That matcher tries one way after the other and lets no other thread run meanwhile, so a short pattern
such as (a+)+$ could hold up the whole process for good. Here the ways it could have to try on the
longest name are counted first, generously. Pure. PostgreSQL and MariaDB match by themselves.
"""

from __future__ import annotations

from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from novalite.errors import BadRequest

LONGEST = 255
"""Characters of a name or description."""
MOST_WAYS = 1 << 17
"""Room for two open repeats: with these, a row costs about 0.1 s at the very worst."""
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def check(pattern: str) -> None:
    """BadRequest for a pattern that could take too long, or is none."""
    if _ways_of(pattern) > MOST_WAYS:
        raise BadRequest("The regular expression has too many repeats for this cloud's database.")


@lru_cache(maxsize=256)
def _ways_of(pattern: str) -> int:
    try:
        return _ways(_parser.parse(pattern))
    except (_parser.error, RecursionError, OverflowError):
        raise BadRequest("The database does not understand that regular expression.") from None


def _ways(parts: Any) -> int:
    """How many ways there are to match a sequence, at most; counting stops above MOST_WAYS."""
    found = 1
    for kind, facts in parts:
        found *= _ways_of_one(kind, facts)
        if found > MOST_WAYS:
            break
    return found


def _ways_of_one(kind: Any, facts: Any) -> int:
    if kind in _REPEATS:
        return _repeated(*facts)
    if kind is op.BRANCH:
        return sum(_ways(branch) for branch in facts[1])
    if kind is op.SUBPATTERN:
        return _ways(facts[-1])
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return _ways(facts[1])
    if kind is op.ATOMIC_GROUP:
        return _ways(facts)
    if kind is op.GROUPREF_EXISTS:
        return sum(_ways(branch) for branch in facts[1:] if branch is not None)
    return 1


def _repeated(low: int, high: Any, inner: Any) -> int:
    most = min(int(high), LONGEST)
    choices = most - min(int(low), most) + 1
    once = _ways(inner)
    if once > 1 and most > 1:  # each round multiplies
        return min(choices * once ** min(most, 20), MOST_WAYS + 1)
    return choices * once
