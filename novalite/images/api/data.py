"""Bytes in and out, never whole in memory: upload, stage and import, download."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from flask import Blueprint, Response, g, request

from novalite import context
from novalite.api.middleware import opens_to_image_tokens, streams
from novalite.api.policy import authorize
from novalite.api.routing import read_json
from novalite.api.schemas import Body, parse
from novalite.errors import BadRequest, Gone, NovaliteError, RpcTimeout, UnsupportedMediaType
from novalite.images.api.discovery import IMPORT_METHODS
from novalite.images.api.http import VERSION, caller, nothing, peer, service
from novalite.images.store import CHUNK
from novalite.objects.base import Record
from novalite.objects.images import StoredBytes

LOG = logging.getLogger(__name__)


def add_routes(bp: Blueprint) -> None:
    """/v2/images/<id>/file, /stage, /import"""
    one = "/v2/images/<image_id>"
    bp.add_url_rule(f"{one}/file", "upload", upload, methods=["PUT"])
    bp.add_url_rule(f"{one}/file", "download", download, methods=["GET"])
    bp.add_url_rule(f"{one}/stage", "stage", stage, methods=["PUT"])
    bp.add_url_rule(f"{one}/import", "import_image", import_image, methods=["POST"])


# --- in ------------------------------------------------------------------------------------------


@streams
@opens_to_image_tokens("PUT")
def upload(image_id: str) -> Response:
    """Take the bytes of a queued image; it is active when this is answered. A token for this needs no role."""
    return _take(image_id, staged=False)


@streams
def stage(image_id: str) -> Response:
    """Take bytes that `import` makes the image's later."""
    return _take(image_id, staged=True)


def _take(image_id: str, staged: bool) -> Response:
    if caller().only_image is None:
        authorize("upload_image")
    if request.mimetype != "application/octet-stream":
        raise UnsupportedMediaType("The Content-Type of image bytes must be application/octet-stream.")
    chunked = request.content_length is None and "Transfer-Encoding" in request.headers
    if chunked and not request.environ.get("wsgi.input_terminated"):
        raise BadRequest("The request must say how long its body is.")
    begun = peer().begin_upload(caller(), image_id, stage=staged)
    upload_id = begun["upload_id"]
    try:
        service().sweep_when_due()
        stored = service().store.take(
            request.stream,
            image_id,
            upload_id,
            (begun["disk_format"], begun["container_format"]),
            request.content_length,
            alive=lambda: peer().renew_upload(caller(), image_id, upload_id),
        )
    except BaseException:
        _abort(image_id, upload_id)
        raise
    _finish(image_id, upload_id, stored)
    return nothing()


def _finish(image_id: str, upload_id: str, stored: StoredBytes) -> None:
    """Tell the conductor; bytes that it does not want are removed."""
    try:
        try:
            peer().finish_upload(caller(), image_id, upload_id, stored)
        except RpcTimeout:
            # It may have been heard. Asking twice changes nothing.
            peer().finish_upload(caller(), image_id, upload_id, stored)
    except Gone:
        service().store.remove(stored.location)
        raise
    except NovaliteError:
        # Not known whether it was heard: the bytes stay, and the sweep removes them if they are nobody's.
        _abort(image_id, upload_id)
        raise


def _abort(image_id: str, upload_id: str) -> None:
    try:
        peer().abort_upload(context.system(g.request_id), image_id, upload_id)
    except NovaliteError as error:
        LOG.warning("Image %s stays saving until its upload expires: %s", image_id, error)


class Method(Body):
    name: str


class ImportBody(Body):
    method: Method
    all_stores: bool | None = None
    all_stores_must_succeed: bool | None = None
    stores: list[str] | None = None


def import_image(image_id: str) -> Response:
    """Make staged bytes the image's."""
    authorize("modify_image")
    name = parse(ImportBody, read_json(), VERSION).method.name
    if name not in IMPORT_METHODS:
        raise BadRequest(f"Import method {name[:60]} is not offered; there is {', '.join(IMPORT_METHODS)}.")
    peer().import_staged(caller(), image_id)
    return nothing(202)


# --- out -----------------------------------------------------------------------------------------


@opens_to_image_tokens("GET")
def download(image_id: str) -> Response:
    """The bytes; 204 when there are none. A token for this very image needs no role."""
    if caller().only_image is None:
        authorize("download_image")
    found = peer().opened(caller(), image_id)
    if found["location"] is None:
        return nothing()
    size: int = found["size"]
    span = _span(size)
    if span is None:
        response = Response(status=416)
        response.headers["Content-Range"] = f"bytes */{size}"
        return response
    return _bytes(found, *span)


def _bytes(found: Record, start: int, stop: int) -> Response:
    """The answer that carries [start, stop) of an image."""
    size, whole = found["size"], (start, stop) == (0, found["size"])
    response = Response(status=200 if whole else 206, mimetype="application/octet-stream")
    response.headers["Accept-Ranges"] = "bytes"
    if not whole:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    elif found["checksum"]:
        response.headers["Content-MD5"] = found["checksum"]
    if request.method != "HEAD":
        _attach(response, service().store.open(found["location"]), start, stop, whole)
    response.content_length = stop - start
    return response


def _attach(response: Response, file: BinaryIO, start: int, stop: int, whole: bool) -> None:
    """A whole file goes through the server's own file wrapper, which also closes it."""
    wrapper = request.environ.get("wsgi.file_wrapper")
    if whole and wrapper is not None:
        response.direct_passthrough = True
        response.response = wrapper(file, CHUNK)
        return
    file.seek(start)
    response.response = _pieces(file, stop - start)
    response.call_on_close(file.close)


def _span(size: int) -> tuple[int, int] | None:
    """[start, stop) of the one range asked for; all without one; None when it lies outside."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return 0, size
    return asked.range_for_length(size)


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
