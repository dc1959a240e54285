"""Provider trees as the search for candidates sees them.

A tree is a root and all below it. A provider with the trait MISC_SHARES_VIA_AGGREGATE also gives to every other tree
that has a member in one of its aggregates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from novalite.objects.placement import SHARES, Provider


class Forest:
    """All providers, by tree. Not changed after it was made."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.by_uuid: dict[str, Provider] = {}
        self.trees: dict[str, list[Provider]] = {}
        for one in providers:
            self.by_uuid[one.uuid] = one
            self.trees.setdefault(one.root, []).append(one)

    @cached_property
    def sharing(self) -> dict[str, list[Provider]]:
        """By root, the providers of other trees that share with its tree."""
        sharers = [one for one in self.by_uuid.values() if SHARES in one.traits and one.aggregates]
        if not sharers:
            return {}
        roots: dict[str, set[str]] = {name: set() for one in sharers for name in one.aggregates}
        for one in self.by_uuid.values():
            for name in one.aggregates & roots.keys():
                roots[name].add(one.root)
        found: dict[str, list[Provider]] = {}
        for one in sharers:
            for root in set().union(*(roots[name] for name in one.aggregates)) - {one.root}:
                found.setdefault(root, []).append(one)
        return found

    def root_of(self, uuid: str) -> str | None:
        """The root of the tree that a provider is in; None when there is no such provider."""
        found = self.by_uuid.get(uuid)
        return found.root if found else None

    def ancestors(self, uuid: str) -> Iterator[str]:
        """A provider, its parent and so on up to the root."""
        at: str | None = uuid
        while at is not None:
            yield at
            at = self.by_uuid[at].parent
