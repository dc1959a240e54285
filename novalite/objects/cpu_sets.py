"""Sets of CPUs as operators write them: `0-3,8,^2` is 0, 1, 3 and 8."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 4096
"""CPUs are numbered below this: a mistyped range must not fill the memory."""
_PART = re.compile(r"(\^?)\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?")


def parse(text: str) -> tuple[int, ...]:
    """The CPUs of a set, in order; `^` takes some away again, wherever it stands. Raises ValueError."""
    taken: set[int] = set()
    left_out: set[int] = set()
    for part in (one.strip() for one in text.split(",")):
        if not part:
            continue
        said = _PART.fullmatch(part)
        if said is None:
            raise ValueError(f"'{part[:40]}' is neither a CPU nor a range of them")
        first, last = int(said[2]), int(said[3] or said[2])
        if last < first:
            raise ValueError(f"the range {part} ends before it begins")
        if last >= MOST:
            raise ValueError(f"CPU {last} is more than {MOST - 1}")
        (left_out if said[1] else taken).update(range(first, last + 1))
    return tuple(sorted(taken - left_out))


def spell(cpus: Iterable[int]) -> str:
    """The shortest text of a set of CPUs."""
    parts: list[str] = []
    first = last = -1
    for cpu in [*sorted(set(cpus)), -1]:
        if cpu != -1 and first != -1 and cpu == last + 1:
            last = cpu
            continue
        if first != -1:
            parts.append(str(first) if first == last else f"{first}-{last}")
        first = last = cpu
    return ",".join(parts)


def join(texts: Iterable[str]) -> str:
    """The text of several sets together."""
    return spell(cpu for text in texts for cpu in parse(text))
