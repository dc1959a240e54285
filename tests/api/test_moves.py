"""migrate, os-migrateLive and evacuate: bodies by microversion, who may, what is refused, and what clients see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import ServersUnderTest
from tests.api.scripted import SERVER
from tests.api.support import message
from tests.api.world import ABSENT
from tests.cloud import Cloud
from tests.rest import Rest, sentence
from tests.served import ServedCloud

ADMIN = {"token": "admin"}
LIVE = {"host": None, "block_migration": "auto"}
OLD_LIVE = {"host": None, "block_migration": False, "disk_over_commit": "False"}


def act(api: ServersUnderTest, body: Any, **more: Any) -> Any:
    return api.post(f"/servers/{SERVER}/action", body, **{**ADMIN, **more})


@pytest.mark.parametrize(
    ("version", "body", "params"),
    [
        ("2.1", {"migrate": None}, {"host": None}),
        ("2.55", {"migrate": {"host": "beta"}}, {"host": None}),  # not read before 2.56
        ("2.56", {"migrate": None}, {"host": None}),
        ("2.56", {"migrate": {}}, {"host": None}),
        ("2.56", {"migrate": {"host": None}}, {"host": None}),
        ("2.56", {"migrate": {"host": "beta"}}, {"host": "beta"}),
        ("2.1", {"os-migrateLive": OLD_LIVE}, {"host": None}),
        ("2.24", {"os-migrateLive": {**OLD_LIVE, "host": "beta"}}, {"host": "beta"}),
        ("2.25", {"os-migrateLive": LIVE}, {"host": None}),
        ("2.25", {"os-migrateLive": {**LIVE, "block_migration": "True"}}, {"host": None}),
        ("2.30", {"os-migrateLive": {**LIVE, "host": "beta", "force": True}}, {"host": "beta"}),
        ("2.67", {"os-migrateLive": {**LIVE, "force": False}}, {"host": None}),
        ("latest", {"os-migrateLive": LIVE}, {"host": None}),
        ("2.1", {"evacuate": {"onSharedStorage": False}}, {"host": None, "force": False, "stop": False}),
        ("2.13", {"evacuate": {"onSharedStorage": "0", "host": "beta"}},
         {"host": "beta", "force": True, "stop": False}),
        ("2.14", {"evacuate": {}}, {"host": None, "force": False, "stop": False}),
        ("2.28", {"evacuate": {"host": "beta"}}, {"host": "beta", "force": True, "stop": False}),
        ("2.29", {"evacuate": {"host": "beta"}}, {"host": "beta", "force": False, "stop": False}),
        ("2.29", {"evacuate": {"host": "beta", "force": "yes"}}, {"host": "beta", "force": True, "stop": False}),
        ("2.94", {"evacuate": {"host": "beta"}}, {"host": "beta", "force": False, "stop": False}),
        ("2.95", {"evacuate": {"adminPass": "secret"}}, {"host": None, "force": False, "stop": True}),
    ],
)  # fmt: skip
def test_bodies(api: ServersUnderTest, version: str, body: Any, params: Any) -> None:
    reply = act(api, body, version=version)
    assert reply.status_code == (200 if "evacuate" in body else 202), message(reply)
    (seen,) = api.servers.seen
    verb = {"migrate": "migrate", "os-migrateLive": "live_migrate", "evacuate": "evacuate"}[next(iter(body))]
    assert (seen.verb, seen.params) == (verb, params)


@pytest.mark.parametrize(
    ("version", "body", "words"),
    [
        ("2.56", {"migrate": "beta"}, "migrate"),
        ("2.56", {"migrate": {"host": ""}}, "migrate.host"),
        ("2.56", {"migrate": {"host": "a b"}}, "migrate.host"),
        ("2.56", {"migrate": {"host": "x" * 256}}, "migrate.host"),
        ("2.56", {"migrate": {"hosts": "beta"}}, "migrate.hosts"),
        ("2.1", {"os-migrateLive": None}, "os-migrateLive"),
        ("2.24", {"os-migrateLive": {k: OLD_LIVE[k] for k in ("host", "block_migration")}}, "disk_over_commit"),
        ("2.24", {"os-migrateLive": {**OLD_LIVE, "block_migration": "auto"}}, "block_migration"),
        ("2.25", {"os-migrateLive": {**LIVE, "disk_over_commit": False}}, "disk_over_commit"),
        ("2.25", {"os-migrateLive": {"host": None}}, "block_migration"),
        ("2.25", {"os-migrateLive": {"block_migration": True}}, "host"),
        ("2.25", {"os-migrateLive": {**LIVE, "block_migration": "maybe"}}, "block_migration"),
        ("2.25", {"os-migrateLive": {**LIVE, "block_migration": 1}}, "block_migration"),
        ("2.29", {"os-migrateLive": {**LIVE, "force": False}}, "force"),
        ("2.68", {"os-migrateLive": {**LIVE, "force": False}}, "force"),
        ("2.30", {"os-migrateLive": {**LIVE, "force": True}}, "Can't force to a non-provided destination"),
        ("2.13", {"evacuate": {}}, "evacuate.onSharedStorage. It is required"),
        ("2.13", {"evacuate": {"onSharedStorage": "maybe"}}, "onSharedStorage"),
        ("2.13", {"evacuate": {"onSharedStorage": True}}, "share no storage"),
        ("2.13", {"evacuate": {"onSharedStorage": True, "adminPass": "x"}}, "can't be changed on existing disk"),
        ("2.14", {"evacuate": {"onSharedStorage": False}}, "onSharedStorage"),
        ("2.14", {"evacuate": {"host": None}}, "evacuate.host"),
        ("2.14", {"evacuate": {"adminPass": None}}, "evacuate.adminPass"),
        ("2.14", {"evacuate": None}, "evacuate"),
        ("2.28", {"evacuate": {"host": "beta", "force": True}}, "force"),
        ("2.68", {"evacuate": {"host": "beta", "force": True}}, "force"),
        ("2.29", {"evacuate": {"force": True}}, "Can't force to a non-provided destination"),
    ],
)
def test_bodies_that_are_refused(api: ServersUnderTest, version: str, body: Any, words: str) -> None:
    reply = act(api, body, version=version)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert api.servers.seen == []


def test_the_answer_to_an_evacuation(api: ServersUnderTest) -> None:
    old = {"evacuate": {"onSharedStorage": False, "adminPass": "secret"}}
    assert act(api, old, version="2.13").get_json() == {"adminPass": "secret"}
    generated = act(api, {"evacuate": {"onSharedStorage": False}}, version="2.1").get_json()
    assert len(generated["adminPass"]) == 12
    reply = act(api, {"evacuate": {"adminPass": "secret"}}, version="2.14")
    assert (reply.status_code, reply.get_data()) == (200, b"")


def test_one_call_each(api: ServersUnderTest) -> None:
    for body in ({"migrate": {"host": "beta"}}, {"os-migrateLive": LIVE}, {"evacuate": {}}):
        with api.bus.recording() as sent:
            assert act(api, body, version="2.68").status_code in (200, 202)
        assert [e.name for e in sent] == ["servers.act", "tasks.poke"]


@pytest.mark.parametrize("body", [{"migrate": None}, {"os-migrateLive": LIVE}, {"evacuate": {}}])
def test_an_absent_server(api: ServersUnderTest, body: Any) -> None:
    assert api.post(f"/servers/{ABSENT}/action", body, version="2.68", **ADMIN).status_code == 404


# --- on a whole cloud ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    with ServedCloud(tmp_path_factory.mktemp("moves"), hosts=("alpha", "beta")) as made:
        yield made


@pytest.fixture
def manager(whole: ServedCloud) -> Rest:
    return whole.rest("boss", "team", "manager")


@pytest.fixture
def server(whole: ServedCloud) -> Iterator[str]:
    member = whole.rest("member", "team")
    server_id = member.boot("web", imageRef=member.image())
    yield server_id
    member.delete(f"/servers/{server_id}")


def host_of(whole: ServedCloud, server: str) -> str:
    return str(whole.rest("admin").show(server)["OS-EXT-SRV-ATTR:host"])


def test_a_manager_migrates_and_the_member_confirms(whole: ServedCloud, manager: Rest, server: str) -> None:
    admin, member = whole.rest("admin"), whole.rest("member", "team")
    before = host_of(whole, server)
    assert member.act(server, {"migrate": None}).status_code == 403
    assert manager.act(server, {"migrate": {"host": "beta"}}).status_code == 403, "hosts are for administrators"
    assert manager.act(server, {"migrate": None}).status_code == 202
    shown = member.show(server)
    assert shown["status"] == "VERIFY_RESIZE"
    assert host_of(whole, server) != before
    (listed,) = admin.get(f"/os-migrations?instance_uuid={server}")["migrations"]
    assert (listed["migration_type"], listed["status"], listed["source_compute"]) == ("migration", "finished", before)
    assert listed["old_instance_type_id"] == listed["new_instance_type_id"]
    actions = [one["action"] for one in member.get(f"/servers/{server}/os-instance-actions")["instanceActions"]]
    assert actions[0] == "migrate"
    assert member.act(server, {"confirmResize": None}).status_code == 204
    assert member.show(server)["status"] == "ACTIVE"


def test_an_administrator_says_where_to(whole: ServedCloud, server: str) -> None:
    admin, here = whole.rest("admin"), host_of(whole, server)
    (there,) = {"alpha", "beta"} - {here}
    for host, words in ((here, "Cannot migrate to the host where the server exists"), ("moon", "moon could not be")):
        reply = admin.act(server, {"migrate": {"host": host}})
        assert (reply.status_code, words in sentence(reply)) == (400, True), sentence(reply)
    assert admin.act(server, {"migrate": {"host": there}}).status_code == 202
    assert host_of(whole, server) == there
    assert admin.act(server, {"revertResize": None}).status_code == 202
    assert (admin.show(server)["status"], host_of(whole, server)) == ("ACTIVE", here)


def test_locks_and_states(whole: ServedCloud, manager: Rest, server: str) -> None:
    admin = whole.rest("admin")
    assert whole.rest("member", "team").act(server, {"lock": None}).status_code == 202
    assert manager.act(server, {"migrate": None}).status_code == 409
    assert manager.act(server, {"os-migrateLive": LIVE}).status_code == 409
    assert admin.act(server, {"unlock": None}).status_code == 202
    assert admin.act(server, {"suspend": None}).status_code == 202
    for body in ({"migrate": None}, {"os-migrateLive": LIVE}, {"evacuate": {}}):
        reply = admin.act(server, body)
        assert (reply.status_code, "while it is in vm_state suspended" in sentence(reply)) == (409, True)


def test_live_migration_is_refused_in_one_sentence(manager: Rest, server: str) -> None:
    for version, body in (("2.1", OLD_LIVE), ("2.33", LIVE), ("latest", LIVE)):
        reply = manager.act(server, {"os-migrateLive": body}, version=version)
        assert (reply.status_code, "Migration pre-check error" in sentence(reply)) == (400, True)
    assert manager.act(server, {"os-migrateLive": {**LIVE, "host": "beta"}}).status_code == 403
    assert manager.show(server)["status"] == "ACTIVE"


def test_evacuation(whole: ServedCloud, server: str) -> None:
    admin, here = whole.rest("admin"), host_of(whole, server)
    reply = admin.act(server, {"evacuate": {}})
    assert (reply.status_code, sentence(reply)) == (400, f"Compute service of {here} is still in use.")
    assert admin.act(server, {"evacuate": {"host": "moon"}}).status_code == 404
    assert admin.act(server, {"evacuate": {"host": here}}).status_code == 400
    assert whole.rest("boss", "team", "manager").act(server, {"evacuate": {}}).status_code == 403
    whole.stop_host(here)
    reply = admin.act(server, {"evacuate": {}})
    assert (reply.status_code, reply.data) == (200, b"")
    whole.start_host(here)
    shown = admin.show(server)
    assert (shown["status"], host_of(whole, server) != here) == ("SHUTOFF", True)
    (listed,) = admin.get(f"/os-migrations?instance_uuid={server}")["migrations"]
    assert (listed["migration_type"], listed["status"]) == ("evacuation", "done")


def test_with_one_host_there_is_nowhere_to_go(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    server = admin.boot("web", imageRef=admin.image())
    reply = admin.act(server, {"migrate": None})
    assert (reply.status_code, "No valid host was found." in sentence(reply)) == (400, True)
    assert admin.show(server)["status"] == "ACTIVE"
