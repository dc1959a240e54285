"""What a field of a record is to clients: how it is shown, who may see and set it, what may be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from novalite.api.policy import allowed, authorize
from novalite.api.schemas import parse
from novalite.errors import BadRequest
from novalite.networks.api.http import VERSION, caller, moment
from novalite.objects.base import Record
from novalite.objects.networks import Kind


@dataclass(frozen=True)
class Field:
    """One field. `column` is its name in records (None: as shown); `kind` is its type in bodies (None: read-only).

    `guard` names it in policy rules (create_network:GUARD …): those who may not are not shown it and may not set it;
    `hidden` False guards only the setting. `filters` is how a query value becomes a column's: str, int, bool, or
    None when no query may ask for it. `null` is what a null in a body means. `shown` False is only asked, not kept.
    `view` makes what is shown of a record.
    """

    name: str
    kind: Any = None
    column: str | None = None
    create: bool = True
    change: bool = True
    required: bool = False
    guard: str | None = None
    hidden: bool = True
    filters: type | None = str
    null: Any = None
    shown: bool = True
    view: Callable[[Record], Any] | None = None

    @property
    def key(self) -> str:
        """Its name in records."""
        return self.column or self.name

    def show(self, record: Record) -> Any:
        """What clients see of it."""
        return self.view(record) if self.view is not None else record[self.key]


def flat(value: Any) -> Any:
    """Bodies as plain JSON, without what was not said."""
    if isinstance(value, BaseModel):
        return {name: flat(getattr(value, name)) for name in value.model_fields_set}
    return [flat(one) for one in value] if isinstance(value, list) else value


ID = Field("id")
TIMES = (
    Field("created_at", view=lambda record: moment(record["created_at"]), filters=None),
    Field("updated_at", view=lambda record: moment(record["updated_at"]), filters=None),
    Field("revision_number", column="revision", filters=int),
)
TAGS = Field("tags", filters=None)
TENANT = "tenant_id"
"""The older name of project_id, which is always shown beside it and may be used instead."""


@dataclass(frozen=True)
class Noun:
    """A kind of record as clients know it. `collection` is its key in lists; `path` its name in URLs; `rule` its
    name in policy rules; `changes` False for what is only made and deleted."""

    kind: Kind
    collection: str
    path: str
    fields: tuple[Field, ...]
    plural: str
    changes: bool = True
    tagged: bool = True

    def field(self, name: str) -> Field | None:
        """The field of this name, old or new."""
        name = "project_id" if name == TENANT else name
        return next((field for field in self.fields if field.name == name), None)

    def rule(self, verb: str, field: Field | None = None) -> str:
        """The policy rule of a verb: get_network, create_network:shared …; lists are got by the plural's rule."""
        name = f"{verb}_{self.kind}"
        return name if field is None else f"{name}:{field.guard}"

    # --- out ---------------------------------------------------------------------------------

    def view(self, record: Record, wanted: Iterable[str] = ()) -> Record:
        """A record as the caller sees it; `wanted` are the only fields shown, if any are named."""
        names = set(wanted)
        seen: Record = {}
        for field in (one for one in self.fields if one.shown):
            if names and field.name not in names and not (field.name == "project_id" and TENANT in names):
                continue
            if field.guard and field.hidden and not allowed(self.rule("get", field), _target(record)):
                continue
            seen[field.name] = field.show(record)
        if "project_id" in seen and (not names or TENANT in names):
            seen[TENANT] = seen["project_id"]
            if names and "project_id" not in names:
                del seen["project_id"]
        return seen

    # --- in ----------------------------------------------------------------------------------

    def new(self, data: Any) -> Record:
        """The body of POST as the conductor takes it, checked against the policy."""
        given = _fields(self, data)
        for field in self.fields:
            if field.required and field.name not in given:
                raise BadRequest(f"Failed to parse request. Required attribute '{field.name}' not specified")
        for name in given:
            if self._known(name).kind is None or not self._known(name).create:
                raise BadRequest(f"Attribute '{name}' not allowed in POST")
        row: Record = {"project_id": given.pop("project_id", None) or caller().project_id or ""}
        target = _target(row)
        authorize(self.rule("create"), target)
        row |= {(field := self._known(name)).key: self._value(field, value) for name, value in given.items()}
        # A flag that is given as what it is anyway (false) asks for nothing that a rule guards.
        self._guard("create", (name for name in given if row[self._known(name).key] is not False), target)
        return row

    def changed(self, data: Any) -> Record:
        """The body of PUT as the conductor takes it, checked against the policy."""
        given = _fields(self, data)
        for name in given:
            field = self._known(name)
            if field.kind is None or not field.change:
                raise BadRequest(f"Cannot update read-only attribute {name}")
        authorize(self.rule("update"))
        self._guard("update", given, None)
        return {(field := self._known(name)).key: self._value(field, value) for name, value in given.items()}

    def _known(self, name: str) -> Field:
        field = self.field(name)
        assert field is not None, name
        return field

    def _guard(self, verb: str, given: Iterable[str], target: Mapping[str, Any] | None) -> None:
        for name in given:
            field = self._known(name)
            if field.guard:
                authorize(self.rule(verb, field), target)

    def _value(self, field: Field, value: Any) -> Any:
        found = parse(field.kind, value, VERSION, field.name)
        return field.null if found is None else flat(found)


def _target(record: Record) -> Record:
    return {"project_id": record.get("project_id") or caller().project_id, "user_id": caller().user_id}


def _fields(noun: Noun, data: Any) -> Record:
    """What a body gives, by the newer name; BadRequest for what is no field."""
    if not isinstance(data, dict):
        raise BadRequest(f"The {noun.kind} of a request body must be an object.")
    unknown = [name for name in data if noun.field(name) is None]
    if unknown:
        raise BadRequest(f"Unrecognized attribute(s) '{', '.join(map(str, unknown))[:200]}'")
    given = dict(data)
    if TENANT in given:
        tenant = given.pop(TENANT)
        if given.setdefault("project_id", tenant) != tenant:
            raise BadRequest("'project_id' and 'tenant_id' do not match")
    if "project_id" in given:
        given["project_id"] = parse(noun.field("project_id").kind, given["project_id"], VERSION, "project_id")  # type: ignore[union-attr]
    return given
