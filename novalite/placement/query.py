"""The query string of `GET /allocation_candidates`, read by the rules of its minor version.

The rules and the sentences that clients look for are those of the Placement API's reference and version history.
Whether classes and traits exist is not known here: the conductor says so. Values are read by values.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from novalite.errors import BadRequest
from novalite.objects.placement_candidates import CandidateQuery, Group
from novalite.objects.placement_errors import BadQueryValue, DuplicateQueryKey, MissingQueryValue
from novalite.placement import values

Args = dict[str, list[str]]
"""All values by key, keys in the order of their first appearance."""

MOST_GROUPS = 64

_NUMBERED, _NAMED = "[1-9][0-9]*", "[a-zA-Z0-9_-]{1,64}"
_CANDIDATE_KEYS: dict[str, int] = {
    "resources": 10,
    "limit": 16,
    "required": 17,
    "member_of": 21,
    "group_policy": 25,
    "in_tree": 31,
    "root_required": 35,
    "same_subtree": 36,
}
_NO_ANY_OF = 38
"""The last minor version in which `in:` is not known; roots never know it."""
_OF_GROUPS = ("resources", "required", "member_of", "in_tree")
"""Keys that take the suffix of a group since 1.25."""


def candidates(pairs: Iterable[tuple[str, str]], minor: int) -> CandidateQuery:
    """What candidates are asked for. BadRequest with one sentence."""
    args = _gathered(pairs)
    suffixes = _suffixes(args, minor)
    limit, isolate = _limit(args), _isolate(args)
    root_required, root_forbidden = _root_traits(args)
    subtrees = tuple(_subtree(text) for text in args.get("same_subtree", ()))
    if len(suffixes) > MOST_GROUPS:
        raise BadQueryValue(f"A request may have at most {MOST_GROUPS} groups.")
    groups = tuple(_group(args, suffix, minor) for suffix in suffixes)
    values.refuse_too_many(len(root_required) + len(root_forbidden) + sum(map(_names, groups)))
    if minor >= 36:
        _check_subtrees(groups, {suffix for words in subtrees for suffix in words})
    else:
        _check_orphans(groups)
    if isolate is None and sum(1 for group in groups if group.suffix) > 1:
        raise BadRequest(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )
    return CandidateQuery(
        groups=groups,
        isolate=bool(isolate),
        limit=limit,
        root_required=root_required,
        root_forbidden=root_forbidden,
        same_subtrees=subtrees,
        nested=minor >= 29,
    )


def _gathered(pairs: Iterable[tuple[str, str]]) -> Args:
    args: Args = {}
    for key, value in pairs:
        args.setdefault(key, []).append(value)
    return args


def _wrong(what: str) -> NoReturn:
    raise BadRequest(f"Invalid query string parameters: {what}")


def _shown(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"


# --- keys ----------------------------------------------------------------------------------------


def _suffixes(args: Args, minor: int) -> list[str]:
    """The suffix of every group that a key names, in order; refuses keys that the version does not know."""
    known = [key for key, since in _CANDIDATE_KEYS.items() if minor >= since]
    grouped = [key for key in _OF_GROUPS if key in known]
    ending = "" if minor < 25 else f"({_NAMED if minor >= 33 else _NUMBERED})?"
    pattern = re.compile(f"({'|'.join(grouped)}){ending}", re.ASCII)
    found: dict[str, None] = {}
    for key in args:
        if key in known and key not in grouped:
            continue
        match = pattern.fullmatch(key)
        if match is not None:
            found[(match.group(2) or "") if ending else ""] = None
        elif ending:
            patterns = ", ".join(repr(f"^{name}{ending}$") for name in sorted(grouped))
            _wrong(f"{key[:80]!r} does not match any of the regexes: {patterns}")
        else:
            _wrong(f"Additional properties are not allowed ({key[:80]!r} was unexpected)")
    if not ending and "resources" not in args:
        _wrong("'resources' is a required property")
    return list(found)


def _limit(args: Args) -> int | None:
    """The first one counts, but all must make sense."""
    for text in args.get("limit", ()):
        if not re.fullmatch("[1-9][0-9]{0,17}", text, re.ASCII):
            _wrong(f"Failed validating 'pattern' of limit: {_shown(text)!r} is not a number greater than 0")
    return int(args["limit"][0]) if "limit" in args else None


def _isolate(args: Args) -> bool | None:
    for text in args.get("group_policy", ()):
        if text not in ("none", "isolate"):
            _wrong(f"{_shown(text)!r} is not one of ['none', 'isolate']")
    return args["group_policy"][0] == "isolate" if "group_policy" in args else None


def _root_traits(args: Args) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Traits that the root must have, and must not have."""
    texts = args.get("root_required", ())
    if len(texts) > 1:
        raise DuplicateQueryKey("Query parameter 'root_required' may be specified only once.")
    rules = values.traits(texts[0], _NO_ANY_OF, "root_required") if texts else []
    required = {rule.traits[0]: None for rule in rules if not rule.forbidden}
    forbidden = {rule.traits[0]: None for rule in rules if rule.forbidden}
    if both := sorted(required.keys() & forbidden.keys()):
        raise BadQueryValue(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(both)}"
        )
    return tuple(required), tuple(forbidden)


def _subtree(text: str) -> tuple[str, ...]:
    suffixes = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if "" in suffixes:
        raise BadQueryValue("Empty string (unsuffixed group) can not be specified in `same_subtree`")
    return suffixes


# --- groups --------------------------------------------------------------------------------------


def _group(args: Args, suffix: str, minor: int) -> Group:
    """What the keys with this suffix name."""
    found: dict[str, Any] = {"suffix": suffix}
    if texts := args.get(f"resources{suffix}"):
        found["resources"] = values.resources(texts[-1])
    if texts := args.get(f"required{suffix}"):
        found["required"] = tuple(values.all_traits(texts, minor, f"required{suffix}"))
    if texts := args.get(f"member_of{suffix}"):
        found["member_of"] = tuple(values.memberships(texts, minor, f"member_of{suffix}"))
    if texts := args.get(f"in_tree{suffix}"):
        if not values.is_uuid(text := texts[-1].strip()):
            _wrong(f"Expected 'in_tree' parameter to be a format of uuid. Got: {_shown(text)}")
        found["in_tree"] = values.canonical(text)
    return Group(**found)


def _names(group: Group) -> int:
    """How many classes, traits and aggregates a group names."""
    traits = sum(len(rule.traits) for rule in group.required)
    return len(group.resources) + traits + sum(len(one.aggregates) for one in group.member_of)


# --- what groups must be to one another ----------------------------------------------------------


def _check_subtrees(groups: tuple[Group, ...], named: set[str]) -> None:
    """Since 1.36 a group may ask for no resources, if `same_subtree` ties it to the others."""
    if not any(group.resources for group in groups):
        raise MissingQueryValue("There must be at least one resources or resources[$S] parameter.")
    loose = [group.suffix for group in groups if not group.resources and group.suffix not in named]
    if loose:
        raise BadQueryValue(
            "Resourceless suffixed group request should be specified in `same_subtree` query param: "
            f"bad group(s) - {loose}."
        )
    real = {group.suffix for group in groups}
    if strange := sorted(named - real):
        raise BadQueryValue(
            f"Real suffixes should be specified in `same_subtree`: {strange} not found in {sorted(real)}."
        )


def _check_orphans(groups: tuple[Group, ...]) -> None:
    """Before 1.36 every group asks for resources."""

    def orphans(key: str, has: Callable[[Group], object]) -> str:
        return ", ".join(f"{key}{group.suffix}" for group in groups if has(group) and not group.resources)

    if keys := orphans("required", lambda group: any(not rule.forbidden for rule in group.required)):
        raise BadRequest(
            "All traits parameters must be associated with resources.  "
            f"Found the following orphaned traits keys: {keys}"
        )
    if keys := orphans("member_of", lambda group: group.member_of):
        raise BadRequest(
            "All member_of parameters must be associated with resources. "
            f"Found the following orphaned member_of keys: {keys}"
        )
    if not all(group.resources for group in groups):
        raise BadRequest("All request groups must specify resources.")
    if not groups:
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
