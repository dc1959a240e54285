"""Images by way of the compute API: records up to 2.35, their metadata up to 2.38; the image service answers."""

from __future__ import annotations

from typing import Annotated, Any

from flask import request
from pydantic import Field as Limits

from novalite.api.fields import ABSENT, Field, See, View
from novalite.api.paging import PAGED, Query, integer, text, when
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Metadata, MetadataKey, MetadataValue
from novalite.api.shapes import ITEM, ITEMS, LINKS, NEXT
from novalite.errors import BadRequest, Forbidden, NotFound, TooLarge
from novalite.images.port import ImageCatalog
from novalite.objects.base import Record
from novalite.objects.images import BASE, READ_ONLY, Image, ImageChange, ImageQuery, TimeTest

ROUTES = Routes()
READ, WRITE, DELETE = "get_image", "modify_image", "delete_image"
"""The image service's own rules: who may do it there may do it here."""
LAST, LAST_METADATA = 35, 38
ONE = "/images/<image_id>"
_RESERVED = "os_glance_"
_SERVER = "instance_uuid"
"""The property that names the server an image was made of."""

STATUS = {
    # of the image service: (as this API tells it, progress in per cent)
    "active": ("ACTIVE", 100),
    "queued": ("SAVING", 25),
    "saving": ("SAVING", 50),
    "deleted": ("DELETED", 0),
    "pending_delete": ("DELETED", 0),
    "killed": ("ERROR", 0),
}

QUERY = Query().plus(
    {
        **PAGED,
        "name": text,
        "status": text,
        "changes-since": when,
        "server": text,
        "type": text,
        "minRam": integer(0),
        "minDisk": integer(0),
    }
)
_PROPERTY = "property-"


# --- views -----------------------------------------------------------------------------------


def _links(r: Record, see: See) -> Any:
    root = (runtime().conf.api.public_url or request.host_url).rstrip("/")
    own, _ = see.links.of("images", r["id"])
    href = f"{root}/image/v2/images/{r['id']}"
    alternate = {"rel": "alternate", "type": "application/vnd.openstack.image", "href": href}
    return [own, *see.links.bookmark("images", r["id"]), alternate]


def _second(moment: str | None) -> str | None:
    return f"{moment[:19]}Z" if moment else None


def _status(r: Record, see: See) -> Any:
    return STATUS.get(r["status"], ("UNKNOWN", 0))[0]


def _progress(r: Record, see: See) -> Any:
    return STATUS.get(r["status"], ("UNKNOWN", 0))[1]


def _server(r: Record, see: See) -> Any:
    server_id = r["properties"].get(_SERVER)
    return {"id": server_id, "links": see.links.of("servers", server_id)} if server_id else ABSENT


def _disk_config(r: Record, see: See) -> Any:
    wanted = r["properties"].get("auto_disk_config")
    if wanted is None:
        return ABSENT
    return "AUTO" if wanted.lower() in ("true", "1", "yes", "on", "auto") else "MANUAL"


_SHORT = (
    Field("id", lambda r, see: r["id"]),
    Field("name", lambda r, see: r["name"] or ""),
    Field("links", _links),
)
BRIEF = View(*_SHORT)
IMAGE = View(
    *_SHORT,
    Field("minRam", lambda r, see: r["min_ram"], kind=int),
    Field("minDisk", lambda r, see: r["min_disk"], kind=int),
    Field("metadata", lambda r, see: r["properties"]),
    Field("created", lambda r, see: _second(r["created_at"])),
    Field("updated", lambda r, see: _second(r["updated_at"])),
    Field("status", _status),
    Field("progress", _progress),
    Field("OS-EXT-IMG-SIZE:size", lambda r, see: r["size"] or 0, kind=int),
    Field("OS-DCF:diskConfig", _disk_config, optional=True),
    Field("server", _server, optional=True, kind={"id": str, "links": LINKS}),
)


def _images() -> ImageCatalog:
    return runtime().images


# --- records ---------------------------------------------------------------------------------


def _asked(call: Call) -> ImageQuery:
    """The query in the image service's words. Filters that match nothing there match nothing here."""
    one, (limit, marker) = call.query.one, call.page()
    equals: dict[str, list[str | int | bool]] = {}
    for key, column in (("name", "name"), ("minRam", "min_ram"), ("minDisk", "min_disk")):
        if key in call.query:
            equals[column] = [one(key)]
    if "status" in call.query:
        shown = one("status").upper()
        equals["status"] = [name for name, (said, _) in STATUS.items() if said == shown] or ["-"]
    properties = {
        name.removeprefix(_PROPERTY): value
        for name, value in request.args.items()
        if name.startswith(_PROPERTY)
    }
    if "server" in call.query:
        properties[_SERVER] = one("server").rstrip("/").rsplit("/", 1)[-1]
    if "type" in call.query:
        properties["image_type"] = one("type")
    since = one("changes-since")
    times = (TimeTest(column="updated_at", op="gte", moment=since),) if since else ()
    return ImageQuery(equals=equals, properties=properties, times=times, limit=limit, marker=marker)


def _page(call: Call, view: View) -> dict[str, Any]:
    asked = _asked(call)
    found = [image.model_dump() for image in _images().page(call.ctx, asked)] if asked.limit else []
    answer: dict[str, Any] = {"images": view.show_all(found, call.see())}
    if found:
        answer |= call.next_links("images", len(found), asked.limit, found[-1]["id"])
    return answer


@ROUTES.get(
    "/images", until=LAST, policy="get_images", query=QUERY, answer={"images": [BRIEF], "images_links": NEXT}
)
def index(call: Call) -> Result:
    """Ids, names, links."""
    return _page(call, BRIEF)


@ROUTES.get(
    "/images/detail",
    until=LAST,
    policy="get_images",
    query=QUERY,
    answer={"images": [IMAGE], "images_links": NEXT},
)
def detail(call: Call) -> Result:
    """All fields."""
    return _page(call, IMAGE)


@ROUTES.get(ONE, until=LAST, policy=READ, answer={"image": IMAGE})
def show(call: Call, image_id: str) -> Result:
    """One image."""
    return {"image": IMAGE.show(_images().show(call.ctx, image_id).model_dump(), call.see())}


@ROUTES.delete(ONE, until=LAST, policy=DELETE)
def delete(call: Call, image_id: str) -> Result:
    """Delete an image of the own project."""
    _images().delete(call.ctx, image_id)
    return None


# --- metadata --------------------------------------------------------------------------------


class Items(Body):
    """POST and PUT metadata."""

    metadata: Metadata


class Item(Body):
    """PUT metadata/{key}."""

    meta: Annotated[dict[MetadataKey, MetadataValue], Limits(min_length=1, max_length=1)]


def _change(call: Call, image_id: str, items: dict[str, str], remove: set[str] | None = None) -> Image:
    """Set and remove properties. BadRequest for names of the image's own fields."""
    for name in items:
        if name in BASE or name in READ_ONLY or name.startswith(_RESERVED):
            raise BadRequest(f"{name[:60]} is a field of images and cannot be metadata.")
    changes = [ImageChange(op="add", name=name, value=value) for name, value in items.items()]
    changes += [ImageChange(op="remove", name=name) for name in sorted(remove or ())]
    if not changes:
        return _images().show(call.ctx, image_id)
    try:
        return _images().change(call.ctx, image_id, changes)
    except TooLarge as error:
        raise Forbidden(error.sentence) from error


@ROUTES.get(ONE + "/metadata", until=LAST_METADATA, policy=READ, answer=ITEMS)
def items(call: Call, image_id: str) -> Result:
    """All properties."""
    return {"metadata": _images().show(call.ctx, image_id).properties}


@ROUTES.post(ONE + "/metadata", until=LAST_METADATA, policy=WRITE, body=Items, status=200, answer=ITEMS)
def add(call: Call, image_id: str) -> Result:
    """Add or change properties; the others stay."""
    return {"metadata": _change(call, image_id, call.body.metadata).properties}


@ROUTES.put(ONE + "/metadata", until=LAST_METADATA, policy=WRITE, body=Items, answer=ITEMS)
def replace_all(call: Call, image_id: str) -> Result:
    """Exactly these properties."""
    before = _images().show(call.ctx, image_id).properties
    wanted: dict[str, str] = call.body.metadata
    return {"metadata": _change(call, image_id, wanted, set(before) - set(wanted)).properties}


@ROUTES.get(ONE + "/metadata/<key>", until=LAST_METADATA, policy=READ, answer=ITEM)
def item(call: Call, image_id: str, key: str) -> Result:
    """One property."""
    return {"meta": {key: _value(_images().show(call.ctx, image_id), key)}}


@ROUTES.put(ONE + "/metadata/<key>", until=LAST_METADATA, policy=WRITE, body=Item, answer=ITEM)
def update(call: Call, image_id: str, key: str) -> Result:
    """One property; the body repeats its name."""
    if key not in call.body.meta:
        raise BadRequest("Request body and URI mismatch: meta must name the key of the URL.")
    return {"meta": {key: _change(call, image_id, call.body.meta).properties[key]}}


@ROUTES.delete(ONE + "/metadata/<key>", until=LAST_METADATA, policy=WRITE)
def remove(call: Call, image_id: str, key: str) -> Result:
    """Remove one property."""
    _value(_images().show(call.ctx, image_id), key)
    _change(call, image_id, {}, {key})
    return None


def _value(image: Image, key: str) -> str:
    if key not in image.properties:
        raise NotFound("Metadata item was not found")
    return image.properties[key]
