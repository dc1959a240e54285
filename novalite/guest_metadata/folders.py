"""Folders and files of a tree that is read by path, and how a folder is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

JSON, TEXT, BYTES = "application/json", "text/plain; charset=UTF-8", "application/octet-stream"


@dataclass(frozen=True)
class Folder:
    """`label`: how the listing of the folder above shows it; None: its name and a slash."""

    entries: Mapping[str, Folder | bytes] = field(default_factory=dict)
    label: str | None = None

    def listing(self) -> bytes:
        """A name per line."""
        return "\n".join(self._shown()).encode()

    def _shown(self) -> Iterator[str]:
        for name, entry in self.entries.items():
            if not isinstance(entry, Folder):
                yield name
            else:
                yield f"{name}/" if entry.label is None else entry.label

    def files(self, above: str = "") -> Iterator[tuple[str, bytes]]:
        """(path, content) of every file below."""
        for name, entry in self.entries.items():
            if isinstance(entry, Folder):
                yield from entry.files(f"{above}{name}/")
            else:
                yield f"{above}{name}", entry


@dataclass(frozen=True)
class Found:
    """What is at a path: a file, or the listing of a folder."""

    content: bytes
    type: str


def look(root: Folder, path: str) -> Found | None:
    """What is at a path, None when nothing is. Names are looked up one by one, so that no path leads out of the tree;
    a slash more or less means the same."""
    at: Folder | bytes = root
    parts = [part for part in path.split("/") if part]
    for part in parts:
        entry = at.entries.get(part) if isinstance(at, Folder) else None
        if entry is None:
            return None
        at = entry
    if isinstance(at, Folder):
        return Found(at.listing(), TEXT)
    return Found(at, _type(parts))


def _type(parts: list[str]) -> str:
    if parts[-1].endswith(".json"):
        return JSON
    return BYTES if parts[-1] in ("user_data", "user-data") or "content" in parts[:-1] else TEXT
