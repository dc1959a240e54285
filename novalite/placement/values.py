"""What query strings of the Placement API say: `resources`, `required`, `member_of`, at a minor version.

Every error is a BadRequest with the sentence that clients of the API know.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from novalite.errors import BadRequest
from novalite.objects.placement import MOST, Membership, TraitRule
from novalite.objects.placement_errors import BadQueryValue

_TRAIT = re.compile(r"[A-Z0-9_]{1,255}\Z")
_INVALID = "Invalid query string parameters:"
MOST_NAMES = 1000
"""Classes, traits and aggregates that one query may name; each is looked for in the database."""


def refuse_too_many(names: int) -> None:
    """BadQueryValue for a query that names more than it may."""
    if names > MOST_NAMES:
        raise BadQueryValue(
            f"{_INVALID} A request may name at most {MOST_NAMES} resource classes, traits and aggregates."
        )


def is_uuid(value: str) -> bool:
    """Whether `value` is a UUID, with or without hyphens."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", value))


def canonical(value: str) -> str:
    """A UUID in its usual form; anything else as it is."""
    return str(uuid.UUID(value)) if is_uuid(value) else value


def resources(value: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:1024` as amounts by class."""
    form = "Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024."
    if not value.strip():
        raise BadRequest(f"Badly formed resources parameter. {form} Got: empty string.")
    found = {}
    refuse_too_many(value.count(",") + 1)
    for part in value.split(","):
        name, colon, amount = (piece.strip() for piece in part.partition(":"))
        if not colon or not name:
            raise BadRequest(f"Badly formed resources parameter. {form} Got: {part}.")
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", amount):
            raise BadRequest(f"Requested resource {name} expected positive integer amount. Got: {amount}.")
        if int(amount) < 1:
            raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {amount}.")
        if int(amount) > MOST:
            raise BadRequest(f"Requested resource {name} requires amount <= {MOST}. Got: {amount}.")
        found[name] = int(amount)
    return found


def traits(value: str, minor: int, key: str = "required") -> list[TraitRule]:
    """One `required` parameter: `A,!B` (forbidden since 1.22), or since 1.39 `in:A,B` (any of them)."""
    anyone = value.startswith("in:")
    if anyone and minor < 39:
        raise BadRequest(
            f"{_INVALID} The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39."
        )
    form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if minor >= 22 else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
    if anyone:
        form = "in:HW_CPU_X86_VMX,CUSTOM_MAGIC"
    names = [name.strip() for name in value.removeprefix("in:").split(",")]
    may_forbid = minor >= 22 and not anyone
    for name in names:
        bare = name.removeprefix("!") if may_forbid else name
        if not _TRAIT.match(bare):
            raise BadRequest(f"{_INVALID} Expected '{key}' parameter value of the form: {form}. Got: {value}")
    if anyone:
        return [TraitRule(traits=tuple(dict.fromkeys(names)))]
    return [TraitRule(traits=(name.removeprefix("!"),), forbidden=name.startswith("!")) for name in names]


def all_traits(values: Sequence[str], minor: int, key: str = "required") -> list[TraitRule]:
    """All `required` parameters of one name: before 1.39 the last one counts. One that is required and
    forbidden is an error."""
    counted = values if minor >= 39 else values[-1:]
    refuse_too_many(sum(value.count(",") + 1 for value in counted))
    rules = [rule for value in counted for rule in traits(value, minor, key)]
    unwanted = {rule.traits[0] for rule in rules if rule.forbidden}
    clashes = [rule.traits for rule in rules if not rule.forbidden and unwanted.issuperset(rule.traits)]
    if clashes:
        told = ", ".join(f"{key}: ({', '.join(sorted(names))})" for names in clashes)
        raise BadQueryValue(
            f"{_INVALID} Conflicting required and forbidden traits found in the following traits keys: {told}"
        )
    return rules


def memberships(values: Sequence[str], minor: int, key: str = "member_of") -> list[Membership]:
    """All `member_of` parameters of one name: `uuid`, `in:uuid,uuid`, since 1.32 `!uuid` and `!in:uuid,uuid`; several
    since 1.24."""
    if len(values) > 1 and minor < 24:
        raise BadRequest("Multiple member_of parameters are not supported")
    refuse_too_many(sum(value.count(",") + 1 for value in values))
    return [_membership(value, minor, key) for value in values]


def _membership(value: str, minor: int, key: str) -> Membership:
    forbidden = value.startswith("!")
    if forbidden and minor < 32:
        raise BadRequest("Forbidden member_of parameters are not supported in the specified microversion")
    told = value.removeprefix("!")
    if "," in told and not told.startswith("in:"):
        raise BadRequest(
            "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
            f"microversion. Got: {value}"
        )
    found = told.removeprefix("in:").split(",") if told.startswith("in:") else [told]
    if not all(is_uuid(one) for one in found):
        raise BadRequest(f"{_INVALID} Expected '{key}' parameter to contain valid UUID(s). Got: {value}")
    return Membership(aggregates=tuple(one.lower() for one in found), forbidden=forbidden)
