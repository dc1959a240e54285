"""Flavors: /flavors, their extra specs and access."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as Limits

from novalite.api import extra_specs
from novalite.api.fields import ABSENT, Field, See, View
from novalite.api.paging import PAGED, SORTED, Key, Query, boolean, integer, text
from novalite.api.policy import authorize
from novalite.api.projects import require_project
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import (
    MOST_ITEMS,
    Body,
    Bool,
    Int,
    Name,
    Says,
    Since,
    Until,
    printable,
    unpadded,
    wrong,
)
from novalite.api.shapes import NEXT
from novalite.errors import BadRequest, FlavorExtraSpecNotFound
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Flavors

ROUTES = Routes()
MANAGE = "os_compute_api:os-flavor-manage:"
SPECS = "os_compute_api:os-flavor-extra-specs:"
ACCESS = "os_compute_api:os-flavor-access"
LIST = "os_compute_api:flavors"
MOST = 0x7FFFFFFF
"""Largest number of a flavor (API reference, "Create flavor")."""


# --- bodies ------------------------------------------------------------------------------------


def _to_id(value: Any) -> str | None:
    """None and `auto` ask for an id of our own; integers are ids too."""
    if value is None or value == "auto":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise wrong("It must be a string, an integer or null.")
    if not re.fullmatch(r"[a-zA-Z0-9. _-]{1,255}", value) or value != value.strip():
        raise wrong(
            "It may have 1 to 255 letters, digits, dots, blanks, underscores and hyphens, "
            "and no blanks at either end."
        )
    return value


def _to_factor(value: Any) -> float:
    """A positive number, or a string that is one, that single precision can hold."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,39}(\.[0-9]{1,39})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong("It must be a number.")
    if not math.isfinite(value) or not 0 < value <= 3.40282e38:
        raise wrong("It must be greater than 0 and at most 3.40282e+38.")
    return float(value)


def _to_spec(value: Any) -> str:
    """Extra specs may be told as numbers; they are kept as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise wrong("It must be a string or a number.")
    return value


Id = Annotated[
    str | None,
    BeforeValidator(_to_id),
    Says(anyOf=[{"type": ["string", "integer"], "pattern": "^[a-zA-Z0-9. _-]{1,255}$"}, {"type": "null"}]),
]
Size = Annotated[Int, Limits(ge=0, le=MOST)]
Some = Annotated[Int, Limits(ge=1, le=MOST)]
Factor = Annotated[
    float,
    BeforeValidator(_to_factor),
    Says(type=["number", "string"], exclusiveMinimum=0, maximum=3.40282e38),
    Says(maxLength=79, pattern=r"^[0-9]+(\.[0-9]+)?$"),
]
Text = Annotated[str, Limits(max_length=65535), AfterValidator(printable)]
SpecKey = Annotated[str, Limits(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]+$")]
SpecValue = Annotated[str, BeforeValidator(_to_spec), Limits(max_length=255), Says(type=["string", "number"])]
ProjectId = Annotated[
    str, Limits(min_length=1, max_length=64), AfterValidator(printable), AfterValidator(unpadded)
]


class NewFlavor(Body):
    """The `flavor` of POST /flavors. MB of RAM and swap, GB of disk."""

    name: Name
    ram: Some
    vcpus: Some
    disk: Size
    id: Id = None
    swap: Size = 0
    ephemeral: Annotated[Size, Limits(alias="OS-FLV-EXT-DATA:ephemeral")] = 0
    rxtx_factor: Annotated[Factor, Until(101)] = 1.0
    is_public: Annotated[Bool, Limits(alias="os-flavor-access:is_public")] = True
    description: Annotated[Text | None, Since(55)] = None


class CreateFlavor(Body):
    """POST /flavors."""

    flavor: NewFlavor


class Described(Body):
    """The `flavor` of PUT /flavors/{id}."""

    description: Text | None


class DescribeFlavor(Body):
    """PUT /flavors/{id}."""

    flavor: Described


class Specs(Body):
    """POST /flavors/{id}/os-extra_specs."""

    extra_specs: Annotated[dict[SpecKey, SpecValue], Limits(max_length=MOST_ITEMS)]


OneSpec = Annotated[dict[SpecKey, SpecValue], Limits(min_length=1, max_length=1)]


class Tenant(Body):
    """Whom an access action is about."""

    tenant: ProjectId


class AccessAction(Body):
    """POST /flavors/{id}/action: exactly one of the two."""

    add: Annotated[Tenant | None, Limits(alias="addTenantAccess")] = None
    remove: Annotated[Tenant | None, Limits(alias="removeTenantAccess")] = None


# --- answers -----------------------------------------------------------------------------------


def _links(record: Record, see: See) -> Any:
    return see.links.of("flavors", record["flavor_id"])


FLAVOR = View(
    Field("id", lambda r, see: r["flavor_id"]),
    Field("name", lambda r, see: r["name"]),
    Field("ram", lambda r, see: r["ram_mb"]),
    Field("disk", lambda r, see: r["disk_gb"]),
    Field("swap", lambda r, see: r["swap_mb"] or "", until=74),
    Field("swap", lambda r, see: r["swap_mb"], since=75),
    Field("OS-FLV-EXT-DATA:ephemeral", lambda r, see: r["ephemeral_gb"]),
    Field("OS-FLV-DISABLED:disabled", lambda r, see: r["disabled"], until=101),
    Field("vcpus", lambda r, see: r["vcpus"]),
    Field("os-flavor-access:is_public", lambda r, see: r["is_public"]),
    Field("rxtx_factor", lambda r, see: r["rxtx_factor"], until=101),
    Field("links", _links),
    Field("description", lambda r, see: r["description"], since=55),
    Field("extra_specs", lambda r, see: r["extra_specs"], since=61, policy=SPECS + "index"),
)

BRIEF = View(
    Field("id", lambda r, see: r["flavor_id"]),
    Field("name", lambda r, see: r["name"]),
    Field("links", _links),
    Field("description", lambda r, see: r["description"] if see.version[1] >= 55 else ABSENT, optional=True),
)


SPECS_SHOWN = {"extra_specs": dict[str, str]}
ACCESS_SHOWN = {"flavor_access": [{"flavor_id": str, "tenant_id": str}]}


def _access(flavor_id: str, projects: list[str]) -> dict[str, Any]:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}


# --- flavors -----------------------------------------------------------------------------------

SORT_KEYS = (
    "created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id", "is_public", "memory_mb",
    "name", "root_gb", "rxtx_factor", "swap", "updated_at", "vcpu_weight", "vcpus",
)  # fmt: skip


def _is_public(value: str) -> bool | None:
    """True, False, or None: both."""
    return None if value.lower() == "none" else boolean(value)


LISTED = Query(is_public=_is_public, minDisk=integer(0), minRam=integer(0), name=Key(text, since=102)).plus(
    {**PAGED, **SORTED}
)


def _page(call: Call) -> tuple[list[Record], dict[str, Any]]:
    """One page of records, and the link to the next. Whoever does not manage flavors sees the usable ones."""
    query = call.query
    limit, marker = call.page()
    sort_key = query.one("sort_key", "flavorid")
    if sort_key not in SORT_KEYS:
        raise BadRequest(f"Flavors cannot be sorted by {sort_key[:60]}.")
    records = runtime().peer(Flavors).page(
        call.ctx,
        is_public=query.one("is_public", True) if call.ctx.is_admin else True,
        min_disk_gb=query.one("minDisk"),
        min_ram_mb=query.one("minRam"),
        name=query.one("name"),
        limit=limit,
        marker=marker,
        sort_key="id" if sort_key == "vcpu_weight" else sort_key,
        sort_dir=query.one("sort_dir", "asc"),
    )  # fmt: skip
    last = records[-1]["flavor_id"] if records else ""
    return records, call.next_links("flavors", len(records), limit, last)


@ROUTES.get("/flavors", policy=LIST, query=LISTED, answer={"flavors": [BRIEF], "flavors_links": NEXT})
def index(call: Call) -> Result:
    """Ids and names."""
    records, links = _page(call)
    return {"flavors": BRIEF.show_all(records, call.see()), **links}


@ROUTES.get("/flavors/detail", policy=LIST, query=LISTED, answer={"flavors": [FLAVOR], "flavors_links": NEXT})
def detail(call: Call) -> Result:
    """With every field."""
    records, links = _page(call)
    return {"flavors": FLAVOR.show_all(records, call.see()), **links}


@ROUTES.post("/flavors", policy=MANAGE + "create", body=CreateFlavor, answer={"flavor": FLAVOR})
def create(call: Call) -> Result:
    """A new flavor."""
    asked: NewFlavor = call.body.flavor
    record = runtime().peer(Flavors).create(
        call.ctx,
        {
            "flavor_id": asked.id,
            "name": asked.name,
            "vcpus": asked.vcpus,
            "ram_mb": asked.ram,
            "disk_gb": asked.disk,
            "ephemeral_gb": asked.ephemeral,
            "swap_mb": asked.swap,
            "rxtx_factor": asked.rxtx_factor,
            "is_public": asked.is_public,
            "description": asked.description,
        },
    )  # fmt: skip
    return {"flavor": FLAVOR.show(record, call.see())}


@ROUTES.get("/flavors/<flavor_id>", policy=LIST, answer={"flavor": FLAVOR})
def show(call: Call, flavor_id: str) -> Result:
    """One flavor."""
    return {"flavor": FLAVOR.show(runtime().peer(Flavors).show(call.ctx, flavor_id), call.see())}


@ROUTES.put(
    "/flavors/<flavor_id>", since=55, policy=MANAGE + "update", body=DescribeFlavor, answer={"flavor": FLAVOR}
)
def describe(call: Call, flavor_id: str) -> Result:
    """Change the description."""
    record = runtime().peer(Flavors).update(call.ctx, flavor_id, call.body.flavor.description)
    return {"flavor": FLAVOR.show(record, call.see())}


@ROUTES.delete("/flavors/<flavor_id>", policy=MANAGE + "delete", status=202)
def delete(call: Call, flavor_id: str) -> Result:
    """Servers keep the copy they were built with."""
    runtime().peer(Flavors).delete(call.ctx, flavor_id)
    return None


# --- extra specs -------------------------------------------------------------------------------


@ROUTES.get("/flavors/<flavor_id>/os-extra_specs", policy=SPECS + "index", answer=SPECS_SHOWN)
def specs(call: Call, flavor_id: str) -> Result:
    """All extra specs."""
    return {"extra_specs": runtime().peer(Flavors).show(call.ctx, flavor_id)["extra_specs"]}


@ROUTES.post("/flavors/<flavor_id>/os-extra_specs", policy=SPECS + "create", body=Specs, answer=SPECS_SHOWN)
def add_specs(call: Call, flavor_id: str) -> Result:
    """Set some; the others stay."""
    extra_specs.check(call.body.extra_specs, call.minor)
    found = runtime().peer(Flavors).set_extra_specs(call.ctx, flavor_id, call.body.extra_specs)
    return {"extra_specs": found}


@ROUTES.get("/flavors/<flavor_id>/os-extra_specs/<key>", policy=SPECS + "show", answer=dict[str, str])
def spec(call: Call, flavor_id: str, key: str) -> Result:
    """One of them."""
    known = runtime().peer(Flavors).show(call.ctx, flavor_id)["extra_specs"]
    if key not in known:
        raise FlavorExtraSpecNotFound(flavor_id=flavor_id, key=key)
    return {key: known[key]}


@ROUTES.put(
    "/flavors/<flavor_id>/os-extra_specs/<key>", policy=SPECS + "update", body=OneSpec, answer=dict[str, str]
)
def set_spec(call: Call, flavor_id: str, key: str) -> Result:
    """Set one; the body repeats its key."""
    if key not in call.body:
        raise BadRequest("The body must hold the extra spec that the URL names.")
    extra_specs.check(call.body, call.minor)
    return dict(runtime().peer(Flavors).set_extra_specs(call.ctx, flavor_id, call.body))


@ROUTES.delete("/flavors/<flavor_id>/os-extra_specs/<key>", policy=SPECS + "delete", status=200)
def delete_spec(call: Call, flavor_id: str, key: str) -> Result:
    """Remove one."""
    runtime().peer(Flavors).delete_extra_spec(call.ctx, flavor_id, key)
    return None


# --- access ------------------------------------------------------------------------------------


@ROUTES.get("/flavors/<flavor_id>/os-flavor-access", policy=ACCESS, answer=ACCESS_SHOWN)
def access(call: Call, flavor_id: str) -> Result:
    """Projects that may use a private flavor."""
    return _access(flavor_id, runtime().peer(Flavors).access(call.ctx, flavor_id))


@ROUTES.post("/flavors/<flavor_id>/action", body=AccessAction, status=200, answer=ACCESS_SHOWN)
def act(call: Call, flavor_id: str) -> Result:
    """Give or take access."""
    asked: AccessAction = call.body
    if (asked.add is None) == (asked.remove is None):
        raise BadRequest("The body must hold exactly one of addTenantAccess and removeTenantAccess.")
    if asked.add is not None:
        return _access(flavor_id, _add_access(call, flavor_id, asked.add.tenant))
    assert asked.remove is not None
    authorize(ACCESS + ":remove_tenant_access")
    project = asked.remove.tenant
    return _access(flavor_id, runtime().peer(Flavors).remove_access(call.ctx, flavor_id, project))


def _add_access(call: Call, flavor_id: str, project_id: str) -> list[str]:
    authorize(ACCESS + ":add_tenant_access")
    require_project(call, project_id)
    private = call.minor >= 7
    return runtime().peer(Flavors).add_access(call.ctx, flavor_id, project_id, only_private=private)
