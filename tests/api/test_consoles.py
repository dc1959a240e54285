"""URLs of consoles: who gets one, what it stands for, what makes it void, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from novalite.conductor.periodic.console_tokens import ForgetConsoleTokens
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.consoles import ConsoleToken
from novalite.errors import ConsoleTokenInvalid, NovaliteError
from novalite.objects.consoles import ConsoleEntrance, ConsoleWanted, digest
from novalite.objects.servers import ServerAction
from novalite.rpc.contracts.consoles import Consoles
from novalite.rpc.contracts.servers import Servers
from novalite.states import ACTIONS, CONSOLE_TASKS, DELETING, ENDS_CONSOLES
from tests.cloud import Cloud
from tests.rest import Rest, sentence

SENDING = ("migrate", "shelve")
"""Actions that would send images to where this cloud has no service; it is enough that they begin."""
KINDS = {"novnc": "vnc", "serial": "serial"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    options = {"consoles.base_url": "https://console.example.org/", "quota.instances": -1, "quota.cores": -1,
               "quota.ram": -1}  # fmt: skip
    with Cloud(tmp_path_factory.mktemp("cloud"), hosts=("alpha", "beta"), overrides=options) as made:
        yield made


@pytest.fixture(scope="module")
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


@pytest.fixture(autouse=True)
def beating(cloud: Cloud) -> None:
    """Hosts are alive, however long the tests before took."""
    for host in cloud.hosts.values():
        cloud.beat(host)


@pytest.fixture(scope="module")
def image(member: Rest) -> str:
    return member.image()


@pytest.fixture(scope="module")
def web(member: Rest, image: str) -> str:
    """A server that runs, for tests that leave it so."""
    return member.boot("web", imageRef=image)


def asked(member: Rest, server: str, kind: str = "novnc") -> Any:
    wanted = {"protocol": KINDS[kind], "type": kind}
    return member.post(f"/servers/{server}/remote-consoles", {"remote_console": wanted})


def token_of(reply: Any) -> str:
    """The token in the URL of a new answer or an old one."""
    assert reply.status_code == 200, reply.text
    query = parse_qs(urlsplit(next(iter(reply.get_json().values()))["url"]).query)
    return (query.get("token") or parse_qs(query["path"][0].lstrip("?"))["token"])[0]


def enter(cloud: Cloud, token: str) -> ConsoleEntrance:
    return cloud.client.of(Consoles).enter(system(), digest(token))


def valid(cloud: Cloud, token: str) -> bool:
    try:
        enter(cloud, token)
    except ConsoleTokenInvalid:
        return False
    return True


def test_the_url_and_what_is_kept_of_it(cloud: Cloud, member: Rest, web: str) -> None:
    reply = asked(member, web)
    token = token_of(reply)
    assert len(token) >= 43
    assert reply.get_json() == {"remote_console": {
        "protocol": "vnc", "type": "novnc", "url": f"https://console.example.org/console.html?path=%3Ftoken%3D{token}",
    }}  # fmt: skip
    serial = asked(member, web, "serial").get_json()["remote_console"]
    assert serial["url"].startswith("wss://console.example.org/?token=")
    with cloud.db.read() as session:
        rows = session.execute(select(ConsoleToken.__table__)).all()
    assert not any(token in str(row) for row in rows)
    entrance = enter(cloud, token)
    assert (entrance.server_id, entrance.kind) == (web, "novnc")


@pytest.mark.parametrize("action,body,version", [
    ("os-getVNCConsole", {"type": "novnc"}, "2.1"), ("os-getSerialConsole", {"type": "serial"}, "2.5"),
])
def test_the_actions_of_before(cloud: Cloud, member: Rest, web: str, action: str, body: Any, version: str) -> None:
    reply = member.post(f"/servers/{web}/action", {action: body}, version=version)
    assert reply.get_json()["console"]["type"] == body["type"]
    assert enter(cloud, token_of(reply)).kind == body["type"]
    assert member.post(f"/servers/{web}/action", {action: body}, version="2.6").status_code == 404


def test_what_a_token_stands_for(cloud: Cloud, member: Rest, web: str) -> None:
    token = token_of(asked(member, web))
    where = enter(cloud, token).address
    path = f"/os-console-auth-tokens/{token}"
    admin = cloud.rest("admin")
    shown = {"instance_uuid": web, "host": where.host, "port": where.port, "internal_access_path": None}
    assert admin.get(path, version="2.31") == admin.get(path, version="2.98") == {"console": shown}
    assert admin.get(path) == {"console": {**shown, "tls_port": None}}
    assert admin("GET", path, version="2.30").status_code == 401
    assert admin("GET", path[:-1], version="latest").status_code == 404
    assert member("GET", path).status_code == 403


def test_tokens_are_not_logged(
    cloud: Cloud, member: Rest, web: str, caplog: pytest.LogCaptureFixture
) -> None:
    from novalite import log

    token = token_of(asked(member, web))
    cloud.rest("admin").get(f"/os-console-auth-tokens/{token}")
    lines = [log.mask(record.getMessage()) for record in caplog.records]
    assert not [line for line in lines if token in line]
    paths = f"/v2.1/os-console-auth-tokens/{token}?x=1 /console.html?path=%3Ftoken%3D{token} /?token={token}"
    said = log.mask(paths)
    assert token not in said and "?x=1" in said


def test_what_a_connection_costs(cloud: Cloud, member: Rest, web: str) -> None:
    token = token_of(asked(member, web))
    with cloud.bus.recording() as sent:
        enter(cloud, token)
    assert [(one.kind.value, one.name) for one in sent] == [
        ("call", "consoles.enter"), ("call", "guest_consoles.admit"),
    ]  # fmt: skip


def test_others_get_none(cloud: Cloud, web: str, member: Rest) -> None:
    assert asked(cloud.rest("stranger"), web).status_code == 404
    assert asked(cloud.rest("reader", project="member", role="reader"), web).status_code == 403
    assert asked(member, "web").status_code == 404


@pytest.mark.parametrize("action,value", [
    ("os-stop", None), ("suspend", None), ("rebuild", "image"), ("rescue", None), ("resize", {"flavorRef": "bigger"}),
    ("migrate", None), ("shelve", None), ("evacuate", "host"), ("delete", None), ("forceDelete", None), ("crash", None),
])  # fmt: skip
def test_what_ends_a_guest_ends_its_urls(cloud: Cloud, member: Rest, image: str, action: str, value: Any) -> None:
    server = member.boot("ends", imageRef=image)
    token = token_of(asked(member, server))
    other = token_of(asked(member, server, "serial"))
    assert valid(cloud, token)
    host = cloud.show(server)["host"]
    if action == "delete":
        assert member.delete(f"/servers/{server}").status_code == 204
    elif action == "crash":
        cloud.driver(host).crash(server)
        cloud.hosts[host].manager.sync.run(system())
    elif action == "evacuate":
        cloud.stop_host(host)
        reply = cloud.rest("admin").post(f"/servers/{server}/action", {"evacuate": {}})
        assert reply.status_code == 200, reply.text
        cloud.start_host(host)
    else:
        if action == "resize":
            cloud.make_flavor("bigger", 1, 128, 1)
        asker = cloud.rest("admin") if action == "migrate" else member
        with cloud.bus.lose(lambda e: action in SENDING and e.name == "tasks.poke"):
            reply = asker.act(server, {action: {"imageRef": image} if value == "image" else value})
        assert reply.status_code in (200, 202), reply.text
    assert not valid(cloud, token)
    assert not valid(cloud, other)
    if action in ("os-stop", "crash", "suspend"):
        member.act(server, {"resume": None} if action == "suspend" else {"os-start": None})
        assert cloud.show(server)["vm_state"] == "active"
        assert not valid(cloud, token), "not even when it runs again"
        assert valid(cloud, token_of(asked(member, server)))


@pytest.mark.parametrize("action", [{"reboot": {"type": "SOFT"}}, {"reboot": {"type": "HARD"}}, {"pause": None},
                                    {"createImage": {"name": "x"}}])  # fmt: skip
def test_what_leaves_a_guest_leaves_its_urls(cloud: Cloud, member: Rest, image: str, action: Any) -> None:
    server = member.boot("stays", imageRef=image)
    token = token_of(asked(member, server))
    with cloud.bus.lose(lambda e: "createImage" in action and e.name == "tasks.poke"):
        assert member.act(server, action).status_code == 202
    assert valid(cloud, token)
    assert valid(cloud, token_of(asked(member, server)))


def test_no_url_while_the_end_is_under_way(cloud: Cloud, member: Rest, image: str) -> None:
    """A token that were made then would outlive what makes tokens void."""
    assert DELETING not in CONSOLE_TASKS
    assert not {ACTIONS[verb].busy for verb in ENDS_CONSOLES} & CONSOLE_TASKS
    server = member.boot("ending", imageRef=image)
    with cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        assert member.act(server, {"os-stop": None}).status_code == 202
        reply = asked(member, server)
    assert (reply.status_code, "task_state powering-off" in sentence(reply)) == (409, True)


def test_an_end_that_begins_while_the_host_is_asked(cloud: Cloud, member: Rest, image: str) -> None:
    server = member.boot("raced", imageRef=image)

    def stop_now(envelope: Any) -> bool:
        if envelope.name == "guest_consoles.address":
            cloud.client.of(Servers).act(cloud.admin, ServerAction(server_id=server, verb="stop"))
        return False

    with cloud.bus.lose(stop_now):
        assert asked(member, server).status_code == 409
    with cloud.db.read() as session:
        assert not session.execute(select(ConsoleToken.digest).where(ConsoleToken.server_id == server)).all()


@pytest.mark.parametrize("change", [{"address": "198.51.100.9"}, {"port": 1}, {"host": "beta"}, {"used_at": now()},
                                    {"expires_at": now()}, {"server_id": "00000000-0000-4000-8000-000000000000"}])
def test_a_token_is_bound_to_server_host_and_port(cloud: Cloud, member: Rest, web: str, change: Any) -> None:
    if change.get("host") == cloud.show(web)["host"]:
        change = {"host": "alpha"}
    token = token_of(asked(member, web))
    with cloud.db.begin() as session:
        session.execute(update(ConsoleToken).where(ConsoleToken.digest == digest(token)).values(**change))
    assert not valid(cloud, token)


def test_expired_tokens_are_forgotten_and_the_oldest_give_way(cloud: Cloud, member: Rest, image: str) -> None:
    server = member.boot("many", imageRef=image)
    most = cloud.conf.consoles.tokens_per_server
    first, second = (token_of(asked(member, server)) for _ in range(2))
    for _ in range(most - 1):
        asked(member, server)
    assert (valid(cloud, first), valid(cloud, second)) == (False, True)
    with cloud.db.begin() as session:
        session.execute(update(ConsoleToken).where(ConsoleToken.digest != digest(second)).values(expires_at=now()))
    assert ForgetConsoleTokens(cloud.conductors[0].manager.env).run(system()) >= most - 1
    assert valid(cloud, second)


def test_a_token_that_may_be_used_once(cloud: Cloud, member: Rest, web: str) -> None:
    cloud.conf.set_override("one_time_tokens", True, group="consoles")
    try:
        token = token_of(asked(member, web))
        assert [valid(cloud, token), valid(cloud, token)] == [True, False]
        assert cloud.rest("admin")("GET", f"/os-console-auth-tokens/{token}").status_code == 404
    finally:
        cloud.conf.clear_override("one_time_tokens", group="consoles")


def test_a_host_that_offers_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    off = {"vnc.enabled": False, "serial_console.enabled": False}
    with Cloud(tmp_path_factory.mktemp("off"), overrides=off) as cloud:
        member = cloud.rest()
        server = member.boot("web", imageRef=member.image())
        for kind in KINDS:
            reply = asked(member, server, kind)
            assert (reply.status_code, sentence(reply)) == (400, f"Unavailable console type {kind}.")
        cloud.hosts["alpha"].stop()
        with pytest.raises(NovaliteError):
            cloud.client.of(Consoles).open(cloud.admin, ConsoleWanted(server_id=server, kind="novnc", digest="0" * 64))
