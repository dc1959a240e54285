"""What requests may set: the fields of an image, and JSON patches of them."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from novalite.api.schemas import Body, NonNegativeInt, parse, wrong
from novalite.errors import BadRequest, Forbidden
from novalite.images.api.http import VERSION
from novalite.objects.base import Record
from novalite.objects.images import (
    BASE,
    CONTAINER_FORMATS,
    DISK_FORMATS,
    READ_ONLY,
    VISIBILITIES,
    ImageChange,
)

MAX_PROPERTY = 65_535
_RESERVED = ("os_glance_",)
_PATCH_MOST = 256


def _canonical(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise wrong("It must be a UUID.") from None


def _clean(value: str) -> str:
    if "\0" in value:
        raise wrong("It must not hold null characters.")
    return value


_Int32 = Annotated[NonNegativeInt, Field(le=2_147_483_647)]
Id = Annotated[str, AfterValidator(_canonical)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_clean)]
Tag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_clean)]
PropertyName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_clean)]
PropertyValue = Annotated[str, Field(max_length=MAX_PROPERTY), AfterValidator(_clean)]
FIELDS: dict[str, Any] = {
    "id": Id,
    "name": Text | None,
    "visibility": Literal[VISIBILITIES],
    "owner": Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)],
    "protected": bool,
    "os_hidden": bool,
    "disk_format": Literal[DISK_FORMATS] | None,
    "container_format": Literal[CONTAINER_FORMATS] | None,
    "min_disk": _Int32,
    "min_ram": _Int32,
    "tags": Annotated[list[Tag], Field(max_length=1000)],
}
"""Type by field."""


def new_image(data: Any) -> Record:
    """The body of POST as the conductor takes it. BadRequest, or Forbidden for read-only fields."""
    if not isinstance(data, dict):
        raise BadRequest("The request body must be an object.")
    found: Record = {}
    properties: dict[str, str] = {}
    for name, value in data.items():
        if name == "id" or name in BASE:
            found[name] = parse(FIELDS[name], value, VERSION, name)
        else:
            _check_property(name)
            properties[name] = parse(PropertyValue, value, VERSION, name)
    if "tags" in found:
        found["tags"] = sorted(set(found["tags"]))
    return found | {"properties": properties}


def _check_property(name: str) -> None:
    if name in READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name.startswith(_RESERVED):
        raise Forbidden(f"Attribute '{name}' is reserved.")
    parse(PropertyName, name, VERSION, "the name of a property")


# --- patches ---------------------------------------------------------------------------------------

PATCH_TYPES = (
    "application/openstack-images-v2.1-json-patch",
    "application/openstack-images-v2.0-json-patch",
)


class PatchRow(Body):
    op: Literal["add", "replace", "remove"]
    path: Annotated[str, Field(min_length=2, max_length=300)]
    value: Any = None


def patch(data: Any, kind: str) -> list[ImageChange]:
    """The body of PATCH as changes with valid values. BadRequest, or Forbidden for read-only fields."""
    if not isinstance(data, list) or not data:
        raise BadRequest("The request body must be a list of JSON patch operations.")
    if len(data) > _PATCH_MOST:
        raise BadRequest(f"A patch may have at most {_PATCH_MOST} operations.")
    if kind == PATCH_TYPES[1]:
        data = [_modern(row) for row in data]
    rows = parse(list[PatchRow], data, VERSION, "patch")
    return [_change(row, raw) for row, raw in zip(rows, data, strict=True)]


def _modern(row: Any) -> Any:
    """{"replace": "/name", "value": …} as {"op": "replace", "path": "/name", "value": …}."""
    if isinstance(row, dict):
        for op in ("add", "replace", "remove"):
            if op in row:
                return {key: value for key, value in row.items() if key != op} | {"op": op, "path": row[op]}
    return row


def _change(row: PatchRow, raw: Record) -> ImageChange:
    if not re.fullmatch(r"/[^/]+", row.path):
        raise BadRequest(f"The path {row.path} does not name a field or property of an image.")
    name = row.path[1:].replace("~1", "/").replace("~0", "~")
    if name == "id" or name not in BASE:
        _check_property(name)
    if row.op == "remove":
        return ImageChange(op="remove", name=name)
    if "value" not in raw:
        raise BadRequest(f"The operation on {row.path} needs a value.")
    value = parse(FIELDS.get(name, PropertyValue), row.value, VERSION, name)
    return ImageChange(op=row.op, name=name, value=sorted(set(value)) if name == "tags" else value)
