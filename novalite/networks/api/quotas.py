"""Limits of projects: what holds, what is used, what an administrator sets."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field

from novalite.api.policy import authorize
from novalite.api.schemas import parse, to_int
from novalite.errors import BadRequest
from novalite.networks.api.http import VERSION, answer, caller, nothing, peer, service
from novalite.networks.api.records import body
from novalite.networks.api.values import Flag
from novalite.objects.networks import KINDS

_ABSENT = {"rbac_policy": -1}
"""Kinds that this service does not have, which clients look for: nothing limits them."""
Limit = Annotated[int, BeforeValidator(to_int), Field(ge=-1, le=0x7FFFFFFF)]


def add_routes(bp: Blueprint) -> None:
    """/v2.0/quotas and below"""
    one = "/v2.0/quotas/<project_id>"
    bp.add_url_rule("/v2.0/quotas", "quotas_all", page, methods=["GET"])
    for word in ("tenant", "project"):
        path = f"/v2.0/quotas/{word}"
        bp.add_url_rule(path, f"quotas_{word}", whose, methods=["GET"], defaults={"word": word})
    bp.add_url_rule(one, "quotas_show", show, methods=["GET"])
    bp.add_url_rule(one, "quotas_change", change, methods=["PUT"])
    bp.add_url_rule(one, "quotas_delete", delete, methods=["DELETE"])
    bp.add_url_rule(f"{one}/default", "quotas_default", default, methods=["GET"])
    for name, path in (("details", f"{one}/details"), ("details_json", f"{one}/details.json")):
        bp.add_url_rule(path, f"quotas_{name}", details, methods=["GET"])


def page() -> Response:
    """Projects with limits of their own."""
    authorize("get_quota", {"project_id": "-"})
    found = peer().stored_quotas(caller())
    shown = [
        {**limits, **_ABSENT, "project_id": project_id, "tenant_id": project_id}
        for project_id, limits in found.items()
    ]
    return answer({"quotas": shown})


def whose(word: str) -> Response:
    """Which project the caller's token is for."""
    authorize("get_quota")
    return answer({word: {f"{word}_id": caller().project_id}})


def show(project_id: str) -> Response:
    """Limits of a project."""
    authorize("get_quota", {"project_id": project_id})
    found = peer().quotas(caller(), project_id)
    return answer({"quota": {kind: one.limit for kind, one in found.items()} | _ABSENT})


def default(project_id: str) -> Response:
    """Limits of a project that has none of its own."""
    authorize("get_quota", {"project_id": project_id})
    conf = service().conf
    return answer({"quota": {kind: conf[f"quota_{kind}"] for kind in KINDS} | _ABSENT})


def details(project_id: str) -> Response:
    """Limits and use."""
    authorize("get_quota", {"project_id": project_id})
    found = {kind: one.model_dump() for kind, one in peer().quotas(caller(), project_id).items()}
    absent = {kind: {"limit": limit, "used": 0, "reserved": 0} for kind, limit in _ABSENT.items()}
    return answer({"quota": found | absent})


def change(project_id: str) -> Response:
    """Set some limits; with `check_limit` none below what is used. Those of kinds that are not here are taken and
    mean nothing."""
    authorize("update_quota")
    asked = parse(dict[str, Any], body("quota"), VERSION, "quota")
    checked = parse(Flag, asked.pop("check_limit", None) or False, VERSION, "check_limit")
    parse(Flag, asked.pop("force", None) or False, VERSION, "force")
    asked = {name: limit for name, limit in asked.items() if name not in ("tenant_id", "project_id")}
    given = parse(dict[str, Limit], asked, VERSION, "quota")
    if unknown := [name for name in given if name not in KINDS and name not in _ABSENT]:
        raise BadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)[:200]}'")
    wanted = {name: limit for name, limit in given.items() if name in KINDS}
    found = peer().set_quotas(caller(), project_id, wanted, checked)
    return answer({"quota": found | _ABSENT})


def delete(project_id: str) -> Response:
    """The project has the usual limits again."""
    authorize("delete_quota")
    peer().forget_quotas(caller(), project_id)
    return nothing()
