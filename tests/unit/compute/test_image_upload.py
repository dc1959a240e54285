"""Sending one file to an image service that behaves badly."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from novalite.compute import image_upload
from novalite.compute.image_upload import Limits, upload
from novalite.errors import BuildFailed, ImageUploadFailed
from novalite.objects.images import ImageTarget

DATA = b"0123456789" * 300_000
IMAGE = "3f1c3c7e-0a5b-4d54-8d3c-6a2f1d9f7b21"


class Service:
    """Answers each upload with the next of `answers` (the last one again and again)."""

    def __init__(self) -> None:
        self.answers: list[int] = [204]
        self.got: list[tuple[dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.got.append((dict(self.headers), body))
                status = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                if status == 0:
                    self.connection.close()
                    return
                self.send_response(status)
                said = b"" if status == 204 else b'{"message": "because"}'
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/image/v2/images/{IMAGE}/file"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def send(service: Service, tmp_path: Path) -> Callable[..., image_upload.Sent | None]:
    """Upload DATA."""
    path = tmp_path / "image"
    path.write_bytes(DATA)

    def do(url: str = "", check: Callable[[], None] = lambda: None, **limits: float) -> image_upload.Sent | None:
        target = ImageTarget(id=IMAGE, url=url or service.url, token="the token", disk_format="raw")
        chosen = {"seconds": 20.0, "write_seconds": 5.0, "attempts": 3, "longest_pause": 0.05, **limits}
        return upload(target, path, Limits(**chosen), check)  # type: ignore[arg-type]

    return do


def test_bytes_length_token_and_hashes(service: Service, send: Callable[..., image_upload.Sent]) -> None:
    sent = send()
    ((headers, body),) = service.got
    assert body == DATA
    assert headers["X-Auth-Token"] == "the token"
    assert headers["Content-Type"] == "application/octet-stream"
    assert sent.facts() == {
        "size": len(DATA),
        "checksum": hashlib.md5(DATA).hexdigest(),
        "sha512": hashlib.sha512(DATA).hexdigest(),
    }


@pytest.mark.parametrize("first", [503, 500, 429, 0, 409])
def test_what_may_pass_is_tried_again(service: Service, send: Callable[..., image_upload.Sent], first: int) -> None:
    service.answers = [first, 204]
    assert send().size == len(DATA)
    assert [body == DATA for _, body in service.got] == [True, True]


def test_a_service_that_is_away_is_given_up(service: Service, send: Callable[..., image_upload.Sent]) -> None:
    service.answers = [503]
    with pytest.raises(ImageUploadFailed, match="503: because"):
        send()
    assert len(service.got) == 3
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(ImageUploadFailed, match="takes no bytes after 0"):
        send(url=f"http://127.0.0.1:{port}/", attempts=1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 302])
def test_a_refusal_is_one(service: Service, send: Callable[..., image_upload.Sent], status: int) -> None:
    service.answers = [status]
    with pytest.raises(ImageUploadFailed, match=f"{status}: because"):
        send()
    assert len(service.got) == 1, "neither tried again nor followed elsewhere"


def test_an_image_that_waits_for_no_bytes_is_left_to_whoever_asked(
    service: Service, send: Callable[..., image_upload.Sent | None]
) -> None:
    service.answers = [409]
    assert send() is None


def test_a_service_that_never_answers_ends_at_the_deadline(
    service: Service, send: Callable[..., image_upload.Sent]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(ImageUploadFailed):
            send(url=url, seconds=0.5, write_seconds=0.3)


def test_it_can_be_given_up(service: Service, send: Callable[..., image_upload.Sent]) -> None:
    def check() -> None:
        raise BuildFailed("It is to be removed.")

    with pytest.raises(BuildFailed):
        send(check=check)


@pytest.mark.parametrize("url", ["ftp://x/", "/path", ""])
def test_an_address_that_is_none(service: Service, send: Callable[..., image_upload.Sent], url: str) -> None:
    with pytest.raises(ImageUploadFailed, match="is no http or https URL"):
        send(url=url or "http:///")
