"""What is asked of Placement: ways to get a set of resources from the providers of one tree."""

from __future__ import annotations

from novalite.objects.base import Message
from novalite.objects.placement import Wanted


class Group(Wanted):
    """One group of a request for candidates. With a suffix one provider gives all of it; without, the providers of
    a tree and those that share with it give it together."""

    suffix: str = ""


class CandidateQuery(Message):
    """`GET /allocation_candidates`: every way to get all groups from one tree and those that share with it."""

    groups: tuple[Group, ...]
    isolate: bool = False
    """Whether groups with a suffix must come from different providers."""
    limit: int | None = None
    root_required: tuple[str, ...] = ()
    root_forbidden: tuple[str, ...] = ()
    """Traits of the root of the tree."""
    same_subtrees: tuple[tuple[str, ...], ...] = ()
    """Suffixes of groups of which one must come from an ancestor of all the others, or from the same provider."""
    nested: bool = True
    """False for versions that know no trees: then at most one provider of a tree."""
