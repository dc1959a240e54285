"""What holds for every route: who may enter, sizes, types, ids, compression, errors."""

from __future__ import annotations

import gzip
import io
import logging
import re
from pathlib import Path

import pytest

from novalite.api.app import create_app
from novalite.conf.load import load
from novalite.context import Context
from novalite.errors import DatabaseUnreachable, RemoteError
from novalite.objects.base import Record
from novalite.rpc.client import Client
from tests.api.conftest import ServersUnderTest
from tests.api.scripted import SERVER, ScriptedServers
from tests.api.support import OTHER_PROJECT, PROJECT, ApiUnderTest, WordTokens, message

REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def test_without_a_token_nothing_is_told(api: ServersUnderTest) -> None:
    for token in (None, "stolen"):
        for path in ("/servers", "/no/such/path"):
            reply = api.get(path, token=token)
            assert reply.status_code == 401
            assert reply.headers["WWW-Authenticate"] == 'Keystone uri="http://localhost/identity"'
            assert reply.get_json()["unauthorized"]["code"] == 401


def test_health_needs_no_token(api: ServersUnderTest) -> None:
    assert api.get("/health", token=None, prefix="").get_json()["status"] == "ok"


def test_unknown_path_and_wrong_method(api: ServersUnderTest) -> None:
    assert api.get("/no/such/path").get_json() == {
        "itemNotFound": {"code": 404, "message": "The resource could not be found."}
    }
    assert api.get("/nothing", prefix="", token=None).status_code == 404
    reply = api.request("PATCH", "/servers")
    assert reply.status_code == 405
    assert "badMethod" in reply.get_json()
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert api.request("OPTIONS", "/servers").status_code == 405
    assert api.delete("/servers").status_code == 405
    assert api.delete("/servers/").status_code == 404, "a server without an id"
    assert api.get("/servers/").status_code == 200


def test_every_answer_has_a_request_id(api: ServersUnderTest) -> None:
    for reply in (api.get("/servers"), api.get("/nothing"), api.get("/", prefix="", token=None)):
        assert REQUEST_ID.match(reply.headers["X-Compute-Request-Id"])
        assert reply.headers["X-Openstack-Request-Id"] == reply.headers["X-Compute-Request-Id"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("req-00000000-1111-4222-8333-444444444444", True),
        ("req-nonsense", False),
        ("req-00000000-1111-4222-8333-444444444444; rm -rf", False),
        ("", False),
    ],
)
def test_a_request_id_of_another_service_is_kept_when_it_is_one(sent: str, kept: bool) -> None:
    seen: list[Context] = []

    class Watching(ScriptedServers):
        def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
            seen.append(ctx)
            return super().show(ctx, server_id, deleted)

    reply = ApiUnderTest(Watching()).get(f"/servers/{SERVER}", headers={"X-OpenStack-Request-ID": sent})
    assert seen[0].global_request_id == (sent if kept else None)
    assert seen[0].request_id == reply.headers["X-Compute-Request-Id"]


def test_the_project_of_the_path_is_the_tokens(api: ServersUnderTest) -> None:
    own = api.get(f"/{PROJECT}/servers/{SERVER}")
    assert own.status_code == 200
    links = {link["rel"]: link["href"] for link in own.get_json()["server"]["links"]}
    assert links["self"] == f"http://localhost/v2.1/{PROJECT}/servers/{SERVER}"
    assert links["bookmark"] == f"http://localhost/{PROJECT}/servers/{SERVER}"
    foreign = api.get(f"/{OTHER_PROJECT}/servers")
    assert foreign.status_code == 400
    assert "Malformed request URL" in message(foreign)
    assert api.get(f"/{OTHER_PROJECT}/servers", token="admin").status_code == 200


def test_v2_is_the_base_whatever_the_headers_say(api: ServersUnderTest) -> None:
    for path in (f"/servers/{SERVER}", f"/{PROJECT}/servers/{SERVER}"):
        reply = api.get(path, prefix="/v2", version="2.90")
        assert reply.status_code == 200
        assert "locked" not in reply.get_json()["server"]
        assert "OpenStack-API-Version" not in reply.headers
        assert "/v2/" in reply.get_json()["server"]["links"][0]["href"]


def test_a_body_over_the_limit_is_refused() -> None:
    api = ServersUnderTest(**{"api.max_request_body_size": 2048})
    reply = api.post(f"/servers/{SERVER}/metadata", {"metadata": {"a": "x" * 3000}})
    assert reply.status_code == 413
    assert "overLimit" in reply.get_json()
    chunked = api.request(
        "POST",
        f"/servers/{SERVER}/metadata",
        input_stream=io.BytesIO(b'{"metadata": {"a": "' + b"x" * 3000 + b'"}}'),
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert chunked.status_code == 413
    assert api.servers.rows[SERVER]["metadata"] == {"role": "front"}


DEEP = b'{"metadata": ' + b"[" * 60 + b"]" * 60 + b"}"
VERY_DEEP = b'{"metadata": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{}", "text/xml", 415, "Unsupported Content-Type text/xml"),
        (b"{}", "", 400, "Content-Type of the body must be"),
        (b"", "application/json", 400, "must have a body"),
        (b"{", "application/json", 400, "not valid JSON"),
        (b"\xff\xfe", "application/json", 400, "not valid JSON"),
        (b'{"metadata": NaN}', "application/json", 400, "not valid JSON"),
        (b'{"metadata": {"a": "\\u0000"}}', "application/json", 400, "null characters"),
        (b'{"metadata": {"a": "\\ud800"}}', "application/json", 400, "not valid JSON"),
        (DEEP, "application/json", 400, "nested more than 32 levels"),
        (VERY_DEEP, "application/json", 400, "not valid JSON"),
        (b"[]", "application/json", 400, "field/attribute body. It must be an object."),
        (b'"x"', "application/json", 400, "field/attribute body. It must be an object."),
        (b"null", "application/json", 400, "field/attribute body. It must be an object."),
    ],
)
def test_bodies_that_are_not_what_they_should_be(
    api: ServersUnderTest, body: bytes, kind: str, status: int, words: str
) -> None:
    reply = api.request("POST", f"/servers/{SERVER}/metadata", data=body, content_type=kind)
    assert reply.status_code == status
    assert words in message(reply)
    assert api.servers.rows[SERVER]["metadata"] == {"role": "front"}


@pytest.mark.parametrize("path", ["/servers?name=%00", "/servers?name=%ff%fe", "/servers/%00"])
def test_urls_that_are_not_text(api: ServersUnderTest, path: str) -> None:
    assert api.get(path).status_code == 400


def test_large_answers_are_compressed_for_those_who_accept_it() -> None:
    api = ServersUnderTest()
    plain = api.get("/servers/detail")
    assert "Content-Encoding" not in plain.headers
    packed = api.get("/servers/detail", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    small = api.get("/servers/detail?limit=1&name=none", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in small.headers


def test_a_defect_is_told_without_internals(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedServers):
        def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
            raise RemoteError(reason="password=hunter2 in table servers")

    with caplog.at_level(logging.ERROR):
        reply = ApiUnderTest(Broken()).get(f"/servers/{SERVER}")
    assert reply.status_code == 500
    assert "hunter2" not in reply.get_data(as_text=True)
    assert reply.headers["X-Compute-Request-Id"] in message(reply)
    assert "hunter2" in caplog.text
    assert "Traceback" in caplog.text


def test_a_service_that_is_away_asks_to_come_back() -> None:
    class Away(ScriptedServers):
        def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
            raise DatabaseUnreachable(reason="refused")

    reply = ApiUnderTest(Away()).get(f"/servers/{SERVER}")
    assert reply.status_code == 503
    assert "serviceUnavailable" in reply.get_json()
    assert int(reply.headers["Retry-After"]) > 0


def test_requests_are_logged(api: ServersUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="novalite.api.middleware"):
        reply = api.get(f"/{PROJECT}/servers", version="2.80")
    line = caplog.messages[-1]
    for part in (
        f"GET /v2.1/{PROJECT}/servers",
        "status: 200",
        "2.80",
        reply.headers["X-Compute-Request-Id"],
    ):
        assert part in line


def test_roles_decide(api: ServersUnderTest) -> None:
    assert api.get("/servers", token="reader").status_code == 200
    for token in ("reader", "nobody"):
        refused = api.delete(f"/servers/{SERVER}", token=token)
        assert refused.status_code == 403
        assert message(refused) == "Policy doesn't allow os_compute_api:servers:delete to be performed."
    assert api.get("/servers", token="nobody").status_code == 403
    assert api.delete(f"/servers/{SERVER}", token="manager").status_code == 204


def test_an_operators_rule_about_the_owner_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        '"os_compute_api:servers:delete": "user_id:%(user_id)s"\n"os_compute_api:servers:stop": "!"\n'
    )
    (tmp_path / "novalite.conf").write_text("")  # policy.yaml is looked for next to it
    api = ServersUnderTest()
    conf = load("novalite-api", [str(tmp_path / "novalite.conf")])
    api.http = create_app(conf, Client(api.bus), WordTokens()).test_client()
    assert api.delete(f"/servers/{SERVER}", token="manager").status_code == 403
    assert api.delete(f"/servers/{SERVER}", token="member").status_code == 204
    assert api.post(f"/servers/{SERVER}/action", {"os-stop": None}).status_code == 403
    assert api.post(f"/servers/{SERVER}/action", {"os-start": None}).status_code == 202
