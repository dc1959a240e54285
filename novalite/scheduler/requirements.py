"""What the extra specs of a flavor require of a host's property: `>= 4`, `<in> avx2`, `<or> kvm <or> qemu`.

The operators are those of the public flavor guide ("Extra specs", requirements of capabilities): numbers with
= (at least), ==, !=, >=, <=; text with s==, s!=, s>=, s>, s<=, s<; `<in>` part of a text or list, `<all-in>` several
of them, `<or>` one of these; without an operator the property must be exactly that text.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Test = Callable[[Any], bool]

_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
}


@lru_cache(maxsize=1024)
def requirement(text: str) -> Test:
    """The test that a property must pass; a property that is not there (None) passes none."""
    words = text.split()
    sign, rest = (words[0], words[1:]) if words else ("", [])
    if sign == "<or>":
        wanted = {word for word in rest if word != "<or>"}
        return lambda found: found is not None and _text(found) in wanted
    if sign == "<in>":
        part = " ".join(rest)
        return lambda found: found is not None and part in _parts(found)
    if sign == "<all-in>":
        return lambda found: found is not None and all(word in _parts(found) for word in rest)
    if sign in _TEXTS and rest:
        return lambda found: found is not None and _TEXTS[sign](_text(found), rest[0])
    if sign in _NUMBERS and rest:
        return lambda found: found is not None and _compare(_NUMBERS[sign], found, rest[0])
    return lambda found: found is not None and _text(found) == text


def _compare(sign: Callable[[float, float], bool], found: Any, wanted: str) -> bool:
    try:
        return sign(float(found), float(wanted))
    except (TypeError, ValueError):
        return False


def _text(found: Any) -> str:
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def _parts(found: Any) -> Any:
    return [str(one) for one in found] if isinstance(found, list | tuple) else _text(found)


def scoped(extra_specs: Mapping[str, str], scope: str, bare: bool = True) -> dict[str, str]:
    """Extra specs of this scope by the rest of their names; with `bare` also those of no scope."""
    found = {}
    for key, value in extra_specs.items():
        before, colon, rest = key.partition(":")
        if colon and before == scope:
            found[rest] = value
        elif not colon and bare:
            found[key] = value
    return found


def dig(tree: Any, path: list[str]) -> Any:
    """What is at a path of a nested property such as topology:cores; None when there is nothing."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
