"""JSON schema documents that clients ask for: what an image and a member look like."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from novalite.api.policy import authorize
from novalite.images.api.http import answer
from novalite.objects.images import CONTAINER_FORMATS, DISK_FORMATS, MEMBER_STATUSES, STATUSES, VISIBILITIES

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description} | more


def _maybe(description: str, **more: Any) -> Schema:
    return {"type": ["null", "string"], "description": description} | more


def _fixed(schema: Schema) -> Schema:
    return schema | {"readOnly": True}


def _number(description: str, **more: Any) -> Schema:
    return {"type": ["null", "integer"], "description": description} | more


UUID = r"^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
IMAGE: dict[str, Schema] = {
    "id": _text("Name of the image that never changes", pattern=UUID),
    "name": _maybe("Name for people", maxLength=255),
    "status": _fixed(_text("Where the image is in its life", enum=list(STATUSES))),
    "visibility": _text("Who may see it", enum=list(VISIBILITIES)),
    "owner": _maybe("Project it belongs to", maxLength=255),
    "protected": {"type": "boolean", "description": "Whether deleting is refused"},
    "os_hidden": {"type": "boolean", "description": "Whether it is left out of lists"},
    "disk_format": _maybe("Format of the disk", enum=[None, *DISK_FORMATS]),
    "container_format": _maybe("What wraps the disk", enum=[None, *CONTAINER_FORMATS]),
    "size": _fixed(_number("Bytes of the file")),
    "virtual_size": _fixed(_number("Bytes of the disk as a guest sees it")),
    "checksum": _fixed(_maybe("MD5 of the bytes", maxLength=32)),
    "os_hash_algo": _fixed(_maybe("Algorithm of os_hash_value", maxLength=64)),
    "os_hash_value": _fixed(_maybe("Hash of the bytes", maxLength=128)),
    "min_disk": {"type": "integer", "minimum": 0, "description": "GB of disk a server needs for it"},
    "min_ram": {"type": "integer", "minimum": 0, "description": "MB of memory a server needs for it"},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}, "description": "Tags"},
    "created_at": _fixed(_text("When it was created")),
    "updated_at": _fixed(_text("When it was last changed")),
    "self": _fixed(_text("Path of the image")),
    "file": _fixed(_text("Path of its bytes")),
    "schema": _fixed(_text("Path of this document")),
}
MEMBER: dict[str, Schema] = {
    "image_id": _text("The shared image", pattern=UUID),
    "member_id": _text("The project it is shared with"),
    "status": _text("What the project answered", enum=list(MEMBER_STATUSES)),
    "created_at": _text("When it was shared"),
    "updated_at": _text("When that last changed"),
    "schema": _fixed(_text("Path of this document")),
}


def _one(name: str, properties: dict[str, Schema], **more: Any) -> Schema:
    return {"name": name, "properties": properties} | more


def _many(name: str, item: Schema) -> Schema:
    properties = {
        name: {"type": "array", "items": item},
        "schema": {"type": "string"},
        "first": {"type": "string"},
        "next": {"type": "string"},
    }
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}]
    return {
        "name": name,
        "properties": properties,
        "links": [*links, {"rel": "describedby", "href": "{schema}"}],
    }


_IMAGE_LINKS = [{"rel": key, "href": f"{{{key}}}"} for key in ("self", "describedby")]
_IMAGE = _one("image", IMAGE, additionalProperties={"type": "string"}, links=_IMAGE_LINKS)
DOCUMENTS = {
    "image": _IMAGE,
    "images": _many("images", _IMAGE),
    "member": _one("member", MEMBER),
    "members": _many("members", _one("member", MEMBER)),
}


def add_routes(bp: Blueprint) -> None:
    """/v2/schemas/…"""
    for name in DOCUMENTS:
        bp.add_url_rule(f"/v2/schemas/{name}", f"schema_{name}", show, defaults={"name": name})


def show(name: str) -> Response:
    """One document."""
    authorize("get_images")
    return answer(DOCUMENTS[name])
