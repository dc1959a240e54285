"""Quotas: /os-quota-sets of projects, and /os-quota-class-sets, of which `default` is what they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field as Limits
from pydantic import create_model

from novalite.api.paging import Query, text
from novalite.api.policy import authorize
from novalite.api.projects import require_project
from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Bool, Int, Since, Spans, Until
from novalite.api.shapes import Part, Reply
from novalite.errors import BadRequest
from novalite.rpc.contracts.flavors import Quotas

ROUTES = Routes()
SETS = "os_compute_api:os-quota-sets:"
CLASSES = "os_compute_api:os-quota-class-sets:"

GROUPS = ("server_groups", "server_group_members")
NETWORK = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
IN_SETS: dict[str, Spans] = {
    **dict.fromkeys(("instances", "cores", "ram", "key_pairs", "metadata_items", *GROUPS), Since(1)),
    **dict.fromkeys(
        ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), Until(56)
    ),
    **dict.fromkeys(NETWORK, Until(35)),
}  # fmt: skip
"""Which limits a project's quota has in which minor versions."""

IN_CLASSES = {**IN_SETS, **dict.fromkeys(GROUPS, Since(50)), **dict.fromkeys(NETWORK, Until(49))}
"""The same for the default class."""

MAX_NAME = 255
Limit = Annotated[Int, Limits(ge=-1, le=0x7FFFFFFF)]


def _body(name: str, table: Mapping[str, Spans], **more: Any) -> Any:
    """A Body with one optional limit per row of a table."""
    fields: dict[str, Any] = {key: (Annotated[Limit, spans], None) for key, spans in table.items()}
    return create_model(name, __base__=Body, **fields, **more)


QuotaSet = _body("QuotaSet", IN_SETS, force=(Bool, False))
QuotaClassSet = _body("QuotaClassSet", IN_CLASSES)


class UpdateQuota(Body):
    """PUT /os-quota-sets/{project}."""

    quota_set: QuotaSet  # type: ignore[valid-type]


class UpdateClass(Body):
    """PUT /os-quota-class-sets/{name}."""

    quota_class_set: QuotaClassSet  # type: ignore[valid-type]


def _limits(body: Any) -> dict[str, int]:
    """The limits that a body names."""
    return dict(body.model_dump(exclude_unset=True, exclude={"force"}))


def _shown(values: Mapping[str, Any], table: Mapping[str, Spans], minor: int) -> dict[str, Any]:
    return {name: values[name] for name, spans in table.items() if spans.cover(minor)}


USE = {"limit": int, "in_use": int, "reserved": int}


def _answer(key: str, table: Mapping[str, Spans], kind: Any = int, **more: Any) -> dict[str, Any]:
    """The shape of an answer with the limits of a table."""
    ranges = {name: spans.ranges[0] for name, spans in table.items()}
    parts = {name: Part(kind, since=low, until=high) for name, (low, high) in ranges.items()}
    return {key: {**more, **parts}}


# --- projects ----------------------------------------------------------------------------------

PER_USER = Query(strict_since=75, user_id=text)
PATH = "/os-quota-sets/<project_id>"


def _enter(call: Call, rule: str, project_id: str) -> str | None:
    """Check policy and project; answers the user the request is about, if any."""
    authorize(SETS + rule, {"project_id": project_id})
    require_project(call, project_id)
    user: str | None = call.query.one("user_id")
    return user or None


@ROUTES.get(PATH, query=PER_USER, answer=_answer("quota_set", IN_SETS, id=str))
def show(call: Call, project_id: str) -> Result:
    """Limits of a project, or of one user in it."""
    user_id = _enter(call, "show", project_id)
    found = runtime().peer(Quotas).show(call.ctx, project_id, user_id)
    limits = {name: facts["limit"] for name, facts in found.items()}
    return {"quota_set": {"id": project_id, **_shown(limits, IN_SETS, call.minor)}}


@ROUTES.get(PATH + "/detail", query=PER_USER, answer=_answer("quota_set", IN_SETS, USE, id=str))
def detail(call: Call, project_id: str) -> Result:
    """With what is in use."""
    user_id = _enter(call, "detail", project_id)
    found = runtime().peer(Quotas).show(call.ctx, project_id, user_id)
    return {"quota_set": {"id": project_id, **_shown(found, IN_SETS, call.minor)}}


@ROUTES.get(PATH + "/defaults", policy=SETS + "defaults", answer=_answer("quota_set", IN_SETS, id=str))
def defaults(call: Call, project_id: str) -> Result:
    """What the project would have without limits of its own."""
    require_project(call, project_id)
    found = runtime().peer(Quotas).defaults(call.ctx)
    return {"quota_set": {"id": project_id, **_shown(found, IN_SETS, call.minor)}}


@ROUTES.put(PATH, query=PER_USER, body=UpdateQuota, answer=_answer("quota_set", IN_SETS))
def update(call: Call, project_id: str) -> Result:
    """Set limits; `force` allows them below what is in use."""
    user_id = _enter(call, "update", project_id)
    asked = call.body.quota_set
    found = runtime().peer(Quotas).update(call.ctx, project_id, _limits(asked), asked.force, user_id)
    return {"quota_set": _shown(found, IN_SETS, call.minor)}


@ROUTES.delete(PATH, query=PER_USER, answer=Reply(202))
def delete(call: Call, project_id: str) -> Result:
    """Back to the defaults; also for a project that is gone, whose limits nobody needs."""
    authorize(SETS + "delete", {"project_id": project_id})
    runtime().peer(Quotas).delete(call.ctx, project_id, call.query.one("user_id") or None)
    return Answer(None, 202)


# --- classes -------------------------------------------------------------------------

CLASS_PATH = "/os-quota-class-sets/<name>"


def _class(name: str) -> str:
    """BadRequest for a name that is longer than names are."""
    if len(name) > MAX_NAME:
        raise BadRequest(f"The name of a quota class may have {MAX_NAME} characters at most.")
    return name


@ROUTES.get(CLASS_PATH, policy=CLASSES + "show", answer=_answer("quota_class_set", IN_CLASSES, id=str))
def show_class(call: Call, name: str) -> Result:
    """Limits of projects that have none of their own: the class `default`. Every other name is a class too, for
    which limits can be kept; they bind nobody."""
    found = runtime().peer(Quotas).defaults(call.ctx, _class(name))
    return {"quota_class_set": {"id": name, **_shown(found, IN_CLASSES, call.minor)}}


@ROUTES.put(
    CLASS_PATH, policy=CLASSES + "update", body=UpdateClass, answer=_answer("quota_class_set", IN_CLASSES)
)
def update_class(call: Call, name: str) -> Result:
    """Change them."""
    limits = _limits(call.body.quota_class_set)
    found = runtime().peer(Quotas).update_defaults(call.ctx, limits, _class(name))
    return {"quota_class_set": _shown(found, IN_CLASSES, call.minor)}
