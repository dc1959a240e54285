"""The metadata service over a whole cloud: guests are told about themselves, and nobody about anybody else."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from werkzeug.test import Client, EnvironBuilder, TestResponse

from novalite.api.metadata_service import MAX_PASSWORD, MetadataService
from novalite.objects import metadata_signature as signed
from tests.cloud import PROJECT, Clock, Cloud
from tests.networked import a_network, interfaces_of, networked, on

SECRET, PROXY_SECRET = "secret-of-the-cloud", "secret-of-the-proxy"
META = "/openstack/latest/meta_data.json"


class Guests:
    """What reaches the service: `ask` as an honest host says it, changed by `headers`."""

    def __init__(self, cloud: Cloud, **options: Any) -> None:
        self.cloud, self.clock = cloud, Clock()
        self.clock.ahead = 0.0
        for name, value in {"secret": SECRET, "proxy_secret": PROXY_SECRET, **options}.items():
            cloud.conf.set_override(name, value, group="metadata")
        self.app = MetadataService(cloud.conf, cloud.client, clock=self.clock)
        self.http = Client(self.app)

    def facts(self, server_id: str) -> tuple[str, str, str, str]:
        """(host, network, address, server) of a server's first card."""
        (card, *_) = interfaces_of(self.cloud, server_id)
        return card["host"], card["net_id"], card["fixed_ips"][0]["ip_address"], server_id

    def headers(self, host: str, network: str, address: str, server: str, key: str = "") -> dict[str, str]:
        signature = signed.sign(key or signed.host_key(SECRET, host), network, address, server)
        return {signed.HOST: host, signed.NETWORK: network, signed.ADDRESS: address, signed.SERVER: server,
                signed.SIGNATURE: signature}  # fmt: skip

    def ask(self, host: str, network: str, address: str, server: str, path: str = META, method: str = "GET",
            key: str = "", headers: Mapping[str, str | None] | None = None, **more: Any) -> TestResponse:  # fmt: skip
        sent: dict[str, str | None] = {**self.headers(host, network, address, server, key), **(headers or {})}
        given = {name: value for name, value in sent.items() if value is not None}
        return self.http.open(path, method=method, headers=given, **more)

    def of(self, server_id: str, path: str = META, **more: Any) -> TestResponse:
        return self.ask(*self.facts(server_id), path, **more)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with networked(tmp_path_factory.mktemp("cloud")) as made:
        made.make_flavor("small", 1, 64, 1)
        yield made


@pytest.fixture
def guests(cloud: Cloud) -> Guests:
    return Guests(cloud)


@pytest.fixture(scope="module")
def network(cloud: Cloud) -> str:
    return a_network(cloud, number=1)


@pytest.fixture(scope="module")
def web(cloud: Cloud, network: str) -> str:
    data = b64encode(b"#!/bin/sh\necho hello\n").decode()
    return cloud.boot("web", networks=(on(network, tag="front"),), user_data=data, metadata={"role": "web"})


@pytest.fixture(scope="module")
def db(cloud: Cloud, network: str) -> str:
    return cloud.boot("db", networks=(on(network),), metadata={"role": "db"})


def test_a_guest_is_told_about_itself_in_every_format(guests: Guests, cloud: Cloud, web: str, db: str) -> None:
    shown = guests.of(web).get_json()
    assert (shown["uuid"], shown["hostname"], shown["meta"]) == (web, "web", {"role": "web"})
    assert shown["devices"][0]["tags"] == ["front"]
    assert "admin_pass" not in shown
    assert guests.of(db).get_json()["uuid"] == db
    assert guests.of(web, "/openstack/latest/user_data").data == b"#!/bin/sh\necho hello\n"
    assert guests.of(web, "/latest/user-data").data == b"#!/bin/sh\necho hello\n"
    assert guests.of(db, "/latest/user-data").status_code == 404
    assert guests.of(web, "/2009-04-04/meta-data/local-ipv4").text == guests.facts(web)[2]
    assert guests.of(web, "/2009-04-04/meta-data/security-groups").text == "default"
    assert guests.of(web, "/latest/meta-data/instance-id").text == f"i-{cloud.show(web)['instance_name'][-8:]}"
    for folder in ("/", "/openstack", "/latest/", "/latest/meta-data"):
        assert guests.of(web, folder).status_code == 200
    head = guests.of(web, method="HEAD")
    assert (head.status_code, head.data) == (200, b"") and int(head.headers["Content-Length"]) > 100


def test_what_is_served_is_what_a_config_drive_holds(cloud: Cloud, guests: Guests, network: str) -> None:
    server = cloud.boot("both", networks=(on(network),), config_drive=True, user_data=b64encode(b"x").decode())
    on_drive = cloud.driver(cloud.show(server)["host"]).guest(server).drive
    assert {"openstack/latest/user_data", "openstack/latest/network_data.json"} < on_drive.keys()
    for path, content in on_drive.items():
        served = guests.of(server, f"/{path}").text
        if path.endswith("meta_data.json"):  # but for the seed, which is another one each time
            served, content = ({**json.loads(one), "random_seed": ""} for one in (served, content))  # type: ignore[assignment]
        assert served == content, path


# --- who is believed --------------------------------------------------------------------------------


def test_only_the_guests_own_host_can_ask_and_only_where_the_guest_is(
    guests: Guests, cloud: Cloud, web: str, db: str, network: str
) -> None:
    host, _, address, _ = guests.facts(web)
    other = next(name for name in cloud.host_names if name != host)
    elsewhere = a_network(cloud, "elsewhere", 1)  # the same addresses on another network
    assert guests.ask(other, network, address, web).status_code == 404, "a host asks about a guest of another"
    assert guests.ask(host, elsewhere, address, web).status_code == 404, "the wrong network"
    assert guests.ask(host, network, "10.1.0.199", web).status_code == 404, "nobody's address"
    for nonsense in ("", "10.1.0.5 ", "web", "' or 1=1 --", "0.0.0.0/0"):
        assert guests.ask(host, network, nonsense, web).status_code == 404, nonsense
    assert guests.ask(host, "nonsense", address, web).status_code == 404
    assert guests.ask(host, network, address, db).status_code == 404, "the address of one, the name of another"
    assert guests.ask(host, network, address, "nonsense").status_code == 404
    assert guests.ask(host, network, address, web).get_json()["uuid"] == web


FORGED: dict[str, dict[str, str | None]] = {
    "no signature": {signed.SIGNATURE: None},
    "an empty one": {signed.SIGNATURE: ""},
    "that of nobody": {signed.SIGNATURE: "0" * 64},
    "not even text": {signed.SIGNATURE: "\u00e9" * 64},
    "another address": {signed.ADDRESS: "10.1.0.77"},
    "another network": {signed.NETWORK: "b1c0ffee-0000-4000-8000-000000000001"},
    "another host": {signed.HOST: "gamma"},
    "another server": {signed.SERVER: "b1c0ffee-0000-4000-8000-000000000001"},
    "no host, but where it came from": {signed.HOST: None, "X-Forwarded-For": "10.1.0.2"},
    "no host, but what a proxy would say": {signed.HOST: None, "X-Real-IP": "10.1.0.2", "Forwarded": "for=10.1.0.2"},
}


@pytest.mark.parametrize("how", FORGED)
def test_what_is_not_signed_as_it_is_is_not_believed(guests: Guests, web: str, how: str) -> None:
    with guests.cloud.bus.recording() as sent:
        reply = guests.of(web, headers=FORGED[how])
    assert reply.status_code == 403
    assert web not in reply.text
    assert sent == [], "the conductor is not even asked"


def test_what_a_guest_says_of_itself_changes_nothing(guests: Guests, web: str, db: str) -> None:
    lies = {"X-Forwarded-For": guests.facts(db)[2], "X-Instance-ID": db, "X-Tenant-ID": PROJECT,
            "X-Instance-ID-Signature": "0" * 64}  # fmt: skip
    assert guests.of(web, headers=lies).get_json()["uuid"] == web


def test_a_host_that_was_broken_into_cannot_ask_for_others(guests: Guests, cloud: Cloud, web: str) -> None:
    host, network, address, _ = guests.facts(web)
    other = next(name for name in cloud.host_names if name != host)
    key = signed.host_key(SECRET, other)
    assert guests.ask(host, network, address, web, key=key).status_code == 403
    assert guests.ask(other, network, address, web, key=key).status_code == 404
    as_a_proxy = {signed.HOST: None, "X-Instance-ID": web, "X-Tenant-ID": PROJECT,
                  "X-Instance-ID-Signature": signed.instance_signature(key, web)}  # fmt: skip
    assert guests.ask(other, network, address, web, headers=as_a_proxy).status_code == 403


def by_proxy(guests: Guests, server: str, project: str | None = PROJECT, secret: str = PROXY_SECRET) -> TestResponse:
    sent = {"X-Instance-ID": server, "X-Tenant-ID": project,
            "X-Instance-ID-Signature": signed.instance_signature(secret, server)}  # fmt: skip
    return guests.http.get(META, headers={name: value for name, value in sent.items() if value is not None})


def test_a_proxy_that_knows_the_secret_says_which_server(guests: Guests, web: str) -> None:
    assert by_proxy(guests, web).get_json()["uuid"] == web
    assert by_proxy(guests, web, "another-project").status_code == 404
    assert by_proxy(guests, web, None).status_code == 400
    assert by_proxy(guests, "11111111-1111-4111-8111-111111111111").status_code == 404
    assert by_proxy(guests, f"{web},{web}").status_code == 404
    assert by_proxy(guests, web, secret="a guess").status_code == 403


def test_without_secrets_nobody_is_believed(cloud: Cloud, web: str) -> None:
    open_to_all = Guests(cloud, secret="", proxy_secret="")
    assert open_to_all.of(web, key=signed.host_key("", open_to_all.facts(web)[0])).status_code == 403
    assert by_proxy(open_to_all, web, secret="").status_code == 403


@pytest.mark.parametrize("path", [
    "/../../../etc/passwd", "/openstack/latest/../../../etc/passwd", "/openstack/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd", "/openstack/latest/meta_data.json%00", "/openstack/1999-01-01/meta_data.json", "/secret",
])  # fmt: skip
def test_no_path_leads_anywhere_else(guests: Guests, web: str, path: str) -> None:
    assert guests.of(web, path).status_code == 404


# --- how much ---------------------------------------------------------------------------------------


def test_a_guest_costs_one_question_and_is_remembered_for_a_moment(cloud: Cloud, web: str) -> None:
    guests = Guests(cloud, cache_seconds=15.0)
    with cloud.bus.recording() as sent:
        for path in (META, "/openstack/latest/network_data.json", "/latest/meta-data/"):
            guests.of(web, path)
    assert [one.name for one in sent] == ["guest_metadata.of_address"]
    cloud.rest("admin").made(f"/servers/{web}/metadata", {"metadata": {"role": "proxy"}})
    assert guests.of(web).get_json()["meta"] == {"role": "web"}
    guests.clock.ahead += 16
    assert guests.of(web).get_json()["meta"] == {"role": "proxy"}
    cloud.rest("admin").made(f"/servers/{web}/metadata", {"metadata": {"role": "web"}})


def test_who_has_an_address_next_is_not_told_of_who_had_it_before(cloud: Cloud) -> None:
    guests, network = Guests(cloud, cache_seconds=3600.0), a_network(cloud, "small", 9)
    said = on(network, fixed_ip="10.9.0.7")
    first = cloud.boot("first", networks=(said,), forced_host="alpha", metadata={"secret": "of the first"})
    assert guests.of(first).get_json()["uuid"] == first
    cloud.delete(first)
    second = cloud.boot("second", networks=(said,), forced_host="alpha")
    assert guests.facts(second)[:3] == ("alpha", network, "10.9.0.7")
    assert "of the first" not in guests.of(second).text
    assert guests.of(second).get_json()["uuid"] == second


def test_one_guest_that_asks_too_often_does_not_keep_others_from_asking(cloud: Cloud, web: str, db: str) -> None:
    guests = Guests(cloud, rate_limit=5, rate_window=10.0)
    answers = [guests.of(web).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert guests.of(web).headers["Retry-After"]
    assert guests.of(db).status_code == 200
    guests.clock.ahead += 11
    assert guests.of(web).status_code == 200
    cloud.conf.clear_override("rate_limit", group="metadata")


# --- the password store -----------------------------------------------------------------------------


def test_a_guest_leaves_its_password_once_and_the_user_reads_it(
    guests: Guests, cloud: Cloud, web: str, db: str
) -> None:
    owner = cloud.rest("admin")
    path = "/openstack/2013-04-04/password"
    assert guests.of(web, path).text == ""
    for bad in (b"", b"x" * (MAX_PASSWORD + 1), "\u00e9".encode()):
        assert guests.of(web, path, method="POST", data=bad).status_code == 400
    assert guests.of(web, path, method="POST", data=b"ZW5jcnlwdGVk").status_code == 200
    assert guests.of(web, path).text == "ZW5jcnlwdGVk"
    assert guests.of(web, path, method="POST", data=b"YW5vdGhlcg==").status_code == 409
    assert owner.get(f"/servers/{web}/os-server-password") == {"password": "ZW5jcnlwdGVk"}
    assert owner.get(f"/servers/{db}/os-server-password") == {"password": ""}
    assert cloud.rest("stranger")("GET", f"/servers/{web}/os-server-password").status_code == 404
    assert owner.delete(f"/servers/{web}/os-server-password").status_code == 204
    assert owner.get(f"/servers/{web}/os-server-password") == {"password": ""}
    assert guests.of(web, path, method="POST", data=b"YW5vdGhlcg==").status_code == 200


@pytest.mark.parametrize("path", [
    META, "/", "/openstack/2012-08-10/password", "/latest/user-data", "/openstack/password",
])  # fmt: skip
def test_nothing_else_can_be_left(guests: Guests, web: str, path: str) -> None:
    assert guests.of(web, path, method="POST", data=b"x").status_code == 405
    assert guests.of(web, path, method="PUT", data=b"x").status_code == 405
    assert guests.of(web, path, method="DELETE").status_code == 405


def test_a_body_of_any_length_is_not_read(guests: Guests, web: str) -> None:
    path = "/openstack/latest/password"
    asked = EnvironBuilder(path, method="POST", headers=guests.headers(*guests.facts(web)))
    body = {"CONTENT_LENGTH": str(1 << 40), "wsgi.input": None}  # there is nothing that could be read
    status: list[str] = []
    list(guests.app({**asked.get_environ(), **body}, lambda line, headers: status.append(line)))
    assert status == ["400 Bad Request"]


# --- vendors ----------------------------------------------------------------------------------------


@pytest.fixture
def vendors() -> Iterator[tuple[str, list[Any]]]:
    """(URL, what was asked) of a service that answers at /good, says nonsense at /bad and waits at /slow."""
    asked: list[Any] = []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/slow":
                done.wait(30)
            asked.append(json.loads(body))
            text = b'{"license": "42"}' if self.path == "/good" else b"<html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    done.set()
    server.shutdown()
    server.server_close()


def test_services_of_vendors_are_asked_and_a_bad_one_harms_nobody(
    cloud: Cloud, web: str, vendors: tuple[str, list[Any]]
) -> None:
    url, asked = vendors
    targets = [f"{name}@{url}/{name}" for name in ("good", "bad", "slow")]
    options = {"vendordata_dynamic_targets": targets, "vendordata_dynamic_timeout": 0.5}
    guests = Guests(cloud, **options)
    assert guests.of(web).status_code == 200 and asked == [], "only who wants it waits for it"
    said = guests.of(web, "/openstack/latest/vendor_data2.json").get_json()
    assert said == {"good": {"license": "42"}, "bad": {}, "slow": {}}
    assert asked[0]["instance-id"] == web and asked[0]["project-id"] == PROJECT
    strict = Guests(cloud, **options, vendordata_dynamic_failure_fatal=True)
    assert strict.of(web, "/openstack/latest/vendor_data2.json").status_code == 503
    assert strict.of(web).status_code == 200
    for name in (*options, "vendordata_dynamic_failure_fatal"):
        cloud.conf.clear_override(name, group="metadata")


def test_who_is_gone_is_told_nothing(cloud: Cloud, network: str) -> None:
    guests = Guests(cloud, cache_seconds=0.0)
    server = cloud.boot("short-lived", networks=(on(network),))
    facts = guests.facts(server)
    assert guests.ask(*facts).status_code == 200
    cloud.delete(server)
    assert guests.ask(*facts).status_code == 404
