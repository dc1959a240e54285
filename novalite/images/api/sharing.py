"""Members: projects that an image is shared with."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.policy import authorize
from novalite.api.routing import read_json
from novalite.api.schemas import parse
from novalite.errors import BadRequest, NotFound
from novalite.images.api.http import VERSION, answer, caller, moment, nothing, peer
from novalite.objects.base import Record
from novalite.objects.images import MEMBER_STATUSES


def add_routes(bp: Blueprint) -> None:
    """/v2/images/<id>/members"""
    path = "/v2/images/<image_id>/members"
    one = f"{path}/<member>"
    rows = (("GET", path, page), ("POST", path, add), ("GET", one, show), ("PUT", one, update))
    for method, where, view_func in (*rows, ("DELETE", one, remove)):
        bp.add_url_rule(where, f"{view_func.__name__}_member", view_func, methods=[method])


def _view(record: Record) -> Record:
    times = {key: moment(record[key]) for key in ("created_at", "updated_at")}
    return record | times | {"schema": "/v2/schemas/member"}


def _body(key: str) -> str:
    """The one string a body holds."""
    found: str = parse(dict[str, str], read_json(), VERSION).get(key, "")
    if not 0 < len(found) <= 64:
        raise BadRequest(f"The request body must be an object with {key}, of at most 64 characters.")
    return found


def page(image_id: str) -> Response:
    """Who the image is shared with."""
    authorize("get_members")
    found = [_view(record) for record in peer().members(caller(), image_id)]
    return answer({"members": found, "schema": "/v2/schemas/members"})


def show(image_id: str, member: str) -> Response:
    """One member."""
    authorize("get_member")
    for record in peer().members(caller(), image_id):
        if record["member_id"] == member:
            return answer(_view(record))
    raise NotFound(f"Image {image_id} is not shared with {member}.")


def add(image_id: str) -> Response:
    """Share the image with a project."""
    authorize("add_member")
    return answer(_view(peer().add_member(caller(), image_id, _body("member"))))


def update(image_id: str, member: str) -> Response:
    """Accept or reject."""
    authorize("modify_member")
    status = _body("status")
    if status not in MEMBER_STATUSES:
        raise BadRequest(f"status must be one of {', '.join(MEMBER_STATUSES)}.")
    return answer(_view(peer().update_member(caller(), image_id, member, status)))


def remove(image_id: str, member: str) -> Response:
    """Share no longer."""
    authorize("delete_member")
    peer().remove_member(caller(), image_id, member)
    return nothing()
