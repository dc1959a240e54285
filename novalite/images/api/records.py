"""Images: list, create, show, change, delete, tags, deactivate and reactivate."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from novalite.api.policy import authorize
from novalite.api.routing import read_json
from novalite.errors import BadRequest, UnsupportedMediaType
from novalite.images.api import bodies, query
from novalite.images.api.discovery import IMPORT_METHODS
from novalite.images.api.http import answer, caller, nothing, peer, service, view


def add_routes(bp: Blueprint) -> None:
    """/v2/images and /v2/images/<id>"""
    one = "/v2/images/<image_id>"
    rows = (
        ("GET", "/v2/images", page),
        ("POST", "/v2/images", create),
        ("GET", one, show),
        ("PATCH", one, change),
        ("DELETE", one, delete),
        ("GET", f"{one}/tasks", tasks),
        ("PUT", f"{one}/tags/<tag>", add_tag),
        ("DELETE", f"{one}/tags/<tag>", remove_tag),
        ("POST", f"{one}/actions/deactivate", deactivate),
        ("POST", f"{one}/actions/reactivate", reactivate),
    )
    for method, path, view_func in rows:
        # strict_slashes: /v2/images/ is an image without an id, which does not exist.
        bp.add_url_rule(path, view_func.__name__, view_func, methods=[method], strict_slashes=True)


def page() -> Response:
    """A page of the images the caller may see."""
    authorize("get_images")
    conf = service().conf
    asked = query.read(request.args, conf.limit_param_default, conf.api_limit_max)
    found = peer().page(caller(), asked) if asked.limit else []
    pairs = [(k, v) for k, v in request.args.items(multi=True) if k != "marker"]
    body: dict[str, Any] = {
        "images": [view(record) for record in found],
        "first": _page_link(pairs),
        "schema": "/v2/schemas/images",
    }
    if asked.limit and len(found) == asked.limit:
        body["next"] = _page_link([*pairs, ("marker", found[-1]["id"])])
    return answer(body)


def _page_link(pairs: list[tuple[str, str]]) -> str:
    return f"/v2/images?{urlencode(pairs)}" if pairs else "/v2/images"


def create() -> Response:
    """A queued image."""
    authorize("add_image")
    values = bodies.new_image(read_json())
    _authorize_fields(values)
    made = view(peer().create(caller(), values))
    location = f"{request.base_url.rstrip('/')}/{made['id']}"
    headers = {"Location": location, "OpenStack-image-import-methods": ",".join(IMPORT_METHODS)}
    response = answer(made, 201)
    response.headers.update(headers)
    return response


def _authorize_fields(values: dict[str, Any]) -> None:
    """Some values need more than the right to write."""
    if values.get("visibility") == "public":
        authorize("publicize_image")
    if values.get("visibility") == "community":
        authorize("communitize_image")
    if values.get("owner") not in (None, caller().project_id):
        authorize("change_image_owner")


def show(image_id: str) -> Response:
    """One image."""
    authorize("get_image")
    return answer(view(peer().show(caller(), image_id)))


def change(image_id: str) -> Response:
    """Apply a JSON patch."""
    authorize("modify_image")
    if request.mimetype not in bodies.PATCH_TYPES:
        raise UnsupportedMediaType(f"The Content-Type of a patch must be {bodies.PATCH_TYPES[0]}.")
    changes = bodies.patch(read_json(bodies.PATCH_TYPES), request.mimetype)
    _authorize_fields({row.name: row.value for row in changes})
    return answer(view(peer().change(caller(), image_id, changes)))


def delete(image_id: str) -> Response:
    """The record first: a file without a record is swept, a record without bytes would be a lie."""
    authorize("delete_image")
    location = peer().delete(caller(), image_id)
    if location is not None:
        service().store.remove(location)
    return nothing()


def tasks(image_id: str) -> Response:
    """Imports are done at once here, so there never is a task."""
    authorize("get_image")
    peer().show(caller(), image_id)
    return answer({"tasks": []})


def add_tag(image_id: str, tag: str) -> Response:
    """Tag an image."""
    authorize("modify_image")
    if len(tag) > 255:
        raise BadRequest("A tag may have at most 255 characters.")
    peer().add_tag(caller(), image_id, tag)
    return nothing()


def remove_tag(image_id: str, tag: str) -> Response:
    """Remove a tag."""
    authorize("modify_image")
    peer().remove_tag(caller(), image_id, tag)
    return nothing()


def deactivate(image_id: str) -> Response:
    """Nobody but admins may download it from now on."""
    authorize("deactivate")
    peer().set_active(caller(), image_id, False)
    return nothing()


def reactivate(image_id: str) -> Response:
    """Downloads are allowed again."""
    authorize("reactivate")
    peer().set_active(caller(), image_id, True)
    return nothing()
