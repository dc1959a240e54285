"""Passwords, crash dumps, resetting states, locks, diagnostics, topology, tags: through the API, on a whole cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from novalite.compute.guest_questions import GuestQuestionsEndpoint
from novalite.compute.guests import GuestsEndpoint
from novalite.compute.virt.fake import FakeDriver
from tests.cloud import Cloud
from tests.rest import Rest, sentence


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("care")) as made:
        yield made


@pytest.fixture(scope="module")
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


@pytest.fixture(scope="module")
def admin(cloud: Cloud) -> Rest:
    return cloud.rest("admin")


@pytest.fixture(scope="module")
def _server(member: Rest) -> str:
    return member.boot("web", imageRef=member.image(), tags=["blue"])


@pytest.fixture
def server(_server: str, admin: Rest) -> str:
    """An ACTIVE server that tests share; each leaves it so."""
    admin.act(_server, {"unlock": None})
    assert admin.show(_server)["status"] == "ACTIVE"
    return _server


@pytest.fixture
def driver(cloud: Cloud) -> Iterator[FakeDriver]:
    """The hypervisor; whole again afterwards."""
    yield cloud.driver("alpha")
    cloud.driver("alpha").heal()


class Plain:
    """A hypervisor that can what every one can, and nothing more."""

    MORE = ("set_password", "inject_nmi", "diagnostics")

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        if name in self.MORE:
            raise AttributeError(name)
        return getattr(self._driver, name)


@pytest.fixture
def plain(cloud: Cloud) -> Iterator[None]:
    """The host has such a hypervisor for once."""
    host = cloud.hosts["alpha"]
    host.handle.stop()
    driver: Any = Plain(host.driver)
    bench = replace(host.manager.bench, driver=driver)
    guests = GuestsEndpoint(host.conf, bench, host.manager.desk, host.manager.reporter, host.manager.networks)
    for_once = cloud.bus.serve("compute", "alpha", [guests, GuestQuestionsEndpoint(driver)])
    for_once.start()
    yield
    for_once.stop()
    host.start()


# --- changePassword -------------------------------------------------------------------------------


def test_a_password_is_changed(member: Rest, server: str, driver: FakeDriver) -> None:
    before = driver.console_output(server, 9999).count(b"a password was changed")
    reply = member.act(server, {"changePassword": {"adminPass": "Fresh-1"}}, version="2.1")
    assert (reply.status_code, reply.data) == (202, b"")
    assert driver.console_output(server, 9999).count(b"a password was changed") == before + 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "changePassword. It must be an object"),
        ({}, "changePassword.adminPass. It is required"),
        ({"adminPass": None}, "changePassword.adminPass. It must be a string"),
        ({"adminPass": 12345}, "changePassword.adminPass. It must be a string"),
        ({"adminPass": "Secret-1" * 40}, "changePassword.adminPass. It may have at most 255"),
        ({"adminPass": "two\nlines"}, "changePassword.adminPass. It may only hold printable"),
        ({"adminPass": "x", "user": "root"}, "changePassword.user. There is no such field"),
    ],
)
def test_bodies_that_bring_no_password(member: Rest, server: str, value: Any, words: str) -> None:
    reply = member.act(server, {"changePassword": value})
    assert (reply.status_code, words in sentence(reply)) == (400, True), sentence(reply)
    assert "Secret-1" not in reply.text


def test_a_guest_that_refuses_its_password(member: Rest, server: str, driver: FakeDriver) -> None:
    driver.fail("set_password", "the agent said no", times=1)
    reply = member.act(server, {"changePassword": {"adminPass": "x"}})
    assert (reply.status_code, "the agent said no" in sentence(reply)) == (409, True)
    assert member.show(server)["OS-EXT-STS:task_state"] is None
    events = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert (events["action"], events["message"]) == ("changePassword", "Error")


def test_what_a_hypervisor_cannot_is_a_501(plain: None, member: Rest, admin: Rest, server: str) -> None:
    reply = member.act(server, {"changePassword": {"adminPass": "x"}})
    assert (reply.status_code, "does not support changing passwords" in sentence(reply)) == (501, True)
    reply = admin("GET", f"/servers/{server}/diagnostics")
    assert (reply.status_code, "does not support diagnostics" in sentence(reply)) == (501, True)
    assert member.act(server, {"trigger_crash_dump": None}).status_code == 202  # told later, by the action
    action = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert (action["action"], action["message"]) == ("trigger_crash_dump", "Error")
    assert member.show(server)["status"] == "ACTIVE"


# --- trigger_crash_dump, injectNetworkInfo ----------------------------------------------------------


def test_crash_dumps_are_triggered_from_2_17_on(member: Rest, server: str, driver: FakeDriver) -> None:
    assert member.act(server, {"trigger_crash_dump": None}, version="2.16").status_code == 404
    assert member.act(server, {"trigger_crash_dump": None}, version="2.17").status_code == 202
    assert b"NMI received" in driver.console_output(server, 9999)
    assert member.act(server, {"trigger_crash_dump": {"core": 1}}).status_code == 400
    member.act(server, {"os-stop": None})
    reply = member.act(server, {"trigger_crash_dump": None})
    assert sentence(reply) == f"Cannot 'trigger_crash_dump' instance {server} while it is in vm_state stopped"
    member.act(server, {"os-start": None})


def test_network_information_is_for_administrators(member: Rest, admin: Rest, server: str) -> None:
    assert member.act(server, {"injectNetworkInfo": None}).status_code == 403
    assert admin.act(server, {"injectNetworkInfo": None}).status_code == 202
    assert admin.act(server, {"injectNetworkInfo": {"all": 1}}).status_code == 400
    member.act(server, {"os-stop": None})
    assert admin.act(server, {"injectNetworkInfo": None}).status_code == 202
    member.act(server, {"os-start": None})


# --- os-resetState ----------------------------------------------------------------------------------


def test_an_administrator_resets_states(cloud: Cloud, member: Rest, admin: Rest, server: str) -> None:
    assert member.act(server, {"os-resetState": {"state": "error"}}).status_code == 403
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        member.act(server, {"os-stop": None})
        assert member.show(server)["OS-EXT-STS:task_state"] == "powering-off"
        assert admin.act(server, {"os-resetState": {"state": "error"}}, version="2.1").status_code == 202
    shown = member.show(server)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ERROR", None)
    assert "An administrator set the state" in shown["fault"]["message"]
    assert admin.act(server, {"os-resetState": {"state": "active"}}).status_code == 202
    assert "fault" not in member.show(server)
    names = [a["action"] for a in member.get(f"/servers/{server}/os-instance-actions")["instanceActions"]]
    assert names[:3] == ["resetState", "resetState", "stop"]


@pytest.mark.parametrize("value", [None, {}, {"state": "stopped"}, {"state": None}, {"state": "active", "x": 1}])
def test_states_that_cannot_be_set(admin: Rest, server: str, value: Any) -> None:
    assert admin.act(server, {"os-resetState": value}).status_code == 400


# --- locks ------------------------------------------------------------------------------------------

CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "action", {"os-stop": None}),
    ("POST", "action", {"reboot": {"type": "HARD"}}),
    ("POST", "action", {"changePassword": {"adminPass": "x"}}),
    ("POST", "action", {"trigger_crash_dump": None}),
    ("POST", "action", {"restore": None}),
    ("POST", "action", {"forceDelete": None}),
    ("POST", "metadata", {"metadata": {"a": "b"}}),
    ("PUT", "metadata", {"metadata": {"a": "b"}}),
    ("PUT", "metadata/a", {"meta": {"a": "b"}}),
    ("DELETE", "metadata/a", None),
    ("PUT", "tags", {"tags": ["red"]}),
    ("PUT", "tags/red", None),
    ("DELETE", "tags/blue", None),
    ("DELETE", "tags", None),
    ("DELETE", "", None),
]


def test_a_locked_server_answers_409_to_every_change(member: Rest, admin: Rest, server: str) -> None:
    assert member.act(server, {"lock": {"locked_reason": "inventory"}}).status_code == 202
    before = member.show(server)
    assert (before["locked"], before["locked_reason"]) == (True, "inventory")
    for method, part, body in CHANGES:
        reply = member(method, f"/servers/{server}/{part}".rstrip("/"), body)
        assert (reply.status_code, sentence(reply)) == (409, f"Instance {server} is locked"), (method, part, body)
    assert member.show(server) == before
    assert admin.act(server, {"pause": None}).status_code == 202
    assert admin.act(server, {"unpause": None}).status_code == 202
    assert member("PUT", f"/servers/{server}/tags", {"tags": []}).status_code == 409
    assert admin("PUT", f"/servers/{server}/tags", {"tags": ["blue"]}).status_code == 200
    assert member.act(server, {"unlock": None}).status_code == 202
    after = member.show(server)
    assert (after["locked"], after["locked_reason"]) == (False, None)


def test_an_administrators_lock_is_not_the_owners_to_lift_or_to_make_his_own(
    member: Rest, admin: Rest, server: str
) -> None:
    assert admin.act(server, {"lock": {"locked_reason": "fraud"}}).status_code == 202
    assert member.act(server, {"lock": {"locked_reason": "mine"}}).status_code == 202
    assert member.show(server)["locked_reason"] == "fraud"
    reply = member.act(server, {"unlock": None})
    assert reply.status_code == 403
    assert sentence(reply).startswith("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override")
    assert admin.act(server, {"lock": None}).status_code == 202
    assert member.show(server)["locked_reason"] == "fraud", "locked again without a reason: the old one stays"
    assert admin.act(server, {"unlock": None}).status_code == 202
    assert member.act(server, {"lock": None}).status_code == 202
    assert admin.act(server, {"unlock": None}).status_code == 202, "an administrator lifts the owner's lock too"
    assert member.show(server)["locked"] is False


@pytest.mark.parametrize(
    ("version", "value", "status"),
    [
        ("2.1", None, 202),
        ("2.72", {"locked_reason": "x"}, 400),
        ("2.73", {"locked_reason": "x"}, 202),
        ("2.73", {}, 202),
        ("2.73", {"locked_reason": ""}, 400),
        ("2.73", {"locked_reason": "x" * 256}, 400),
        ("2.73", {"reason": "x"}, 400),
    ],
)
def test_reasons_of_locks(member: Rest, server: str, version: str, value: Any, status: int) -> None:
    assert member.act(server, {"lock": value}, version=version).status_code == status


# --- diagnostics ------------------------------------------------------------------------------------


def test_diagnostics_have_one_shape_from_2_48_on(admin: Rest, member: Rest, server: str) -> None:
    path = f"/servers/{server}/diagnostics"
    old = admin.get(path, version="2.47")
    assert old["memory"] == 64 * 1024
    assert {"cpu0_time", "vda_read", "vda_read_req", "vda_write", "vda_write_req", "vda_errors"} <= set(old)
    assert all(isinstance(value, int) for value in old.values())
    new = admin.get(path, version="2.48")
    assert set(new) == {
        "state", "driver", "hypervisor", "hypervisor_os", "uptime", "config_drive", "num_cpus", "num_nics",
        "num_disks", "cpu_details", "nic_details", "disk_details", "memory_details",
    }  # fmt: skip
    assert (new["state"], new["driver"], new["num_cpus"], new["num_nics"], new["num_disks"]) == (
        "running", "libvirt", 1, 0, 1,
    )  # fmt: skip
    assert new["cpu_details"] == [{"id": 0, "time": old["cpu0_time"], "utilisation": None}]
    assert set(new["disk_details"][0]) == {
        "read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count",
    }  # fmt: skip
    assert new["memory_details"] == {"maximum": 64, "used": 16}
    assert new["uptime"] >= 0 and new["config_drive"] is False
    assert member("GET", path).status_code == 403


def test_diagnostics_of_what_does_not_run(cloud: Cloud, admin: Rest, member: Rest, server: str) -> None:
    path = f"/servers/{server}/diagnostics"
    member.act(server, {"os-stop": None})
    reply = admin("GET", path)
    assert reply.status_code == 409
    assert sentence(reply) == f"Cannot 'get_diagnostics' instance {server} while it is in power state shutdown"
    member.act(server, {"os-start": None})
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"), cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        waiting = member.create("waiting", imageRef=member.image()).get_json()["server"]["id"]
    assert admin("GET", f"/servers/{waiting}/diagnostics").status_code == 409
    member.delete(f"/servers/{waiting}")


# --- topology, os-server-password -------------------------------------------------------------------


def test_topology_and_the_password_a_guest_left(cloud: Cloud, member: Rest, admin: Rest, server: str) -> None:
    assert member("GET", f"/servers/{server}/topology", version="2.77").status_code == 404
    for who in (member, admin):
        assert who.get(f"/servers/{server}/topology", version="2.78") == {"nodes": [], "pagesize_kb": None}
    path = f"/servers/{server}/os-server-password"
    assert member.get(path, version="2.1") == {"password": ""}
    reply = member.delete(path)
    assert (reply.status_code, reply.data) == (204, b"")
    reader, stranger = cloud.rest("reader", "member", "reader"), cloud.rest("stranger")
    assert (reader("GET", path).status_code, reader.delete(path).status_code) == (200, 403)
    for tail in ("topology", "os-server-password"):
        assert stranger("GET", f"/servers/{server}/{tail}").status_code == 404


# --- tags -------------------------------------------------------------------------------------------


def test_tags_in_all_forms(member: Rest, server: str) -> None:
    path = f"/servers/{server}/tags"
    reply = member("PUT", path, {"tags": ["red", "blue", "red"]})
    assert (reply.status_code, reply.get_json()) == (200, {"tags": ["red", "blue"]})
    reply = member("PUT", f"{path}/grün")
    assert (reply.status_code, reply.data) == (201, b"")
    assert reply.headers["Location"].endswith(f"/v2.1/servers/{server}/tags/gr%C3%BCn")
    assert member("PUT", f"{path}/red").status_code == 204
    assert member.get(path) == {"tags": ["red", "blue", "grün"]}
    assert member.show(server)["tags"] == ["red", "blue", "grün"]
    assert member.delete(f"{path}/red").status_code == 204
    reply = member.delete(f"{path}/red")
    assert (reply.status_code, "has no tag 'red'" in sentence(reply)) == (404, True)
    assert member.delete(path).status_code == 204
    assert member.get(path) == {"tags": []}


@pytest.mark.parametrize(
    ("method", "tail", "body", "status"),
    [
        ("PUT", "", {"tags": [f"t{n}" for n in range(51)]}, 400),
        ("PUT", "", {"tags": ["a,b"]}, 400),
        ("PUT", "", {"tags": ["a/b"]}, 400),
        ("PUT", "", {"tags": [""]}, 400),
        ("PUT", "", {"tags": ["x" * 61]}, 400),
        ("PUT", "", {"tags": "blue"}, 400),
        ("PUT", "", {"tags": [7]}, 400),
        ("PUT", "", {"tags": None}, 400),
        ("PUT", "", {}, 400),
        ("PUT", "", {"tags": [], "more": 1}, 400),
        ("PUT", "/a,b", None, 400),
        ("PUT", "/" + "x" * 61, None, 400),
    ],
)
def test_tags_that_are_refused(member: Rest, server: str, method: str, tail: str, body: Any, status: int) -> None:
    before = member.get(f"/servers/{server}/tags")
    assert member(method, f"/servers/{server}/tags{tail}", body).status_code == status
    assert member.get(f"/servers/{server}/tags") == before


def test_a_server_has_fifty_tags_at_most(member: Rest, server: str) -> None:
    path = f"/servers/{server}/tags"
    assert member("PUT", path, {"tags": [f"t{n}" for n in range(50)]}).status_code == 200
    reply = member("PUT", f"{path}/one-more")
    assert (reply.status_code, sentence(reply)) == (400, "The number of tags exceeded the per-server limit 50")
    assert member("PUT", f"{path}/t7").status_code == 204
    assert member.delete(path).status_code == 204


def test_tags_begin_at_2_26_and_keep_to_their_states_and_people(
    cloud: Cloud, member: Rest, admin: Rest, server: str
) -> None:
    path = f"/servers/{server}/tags"
    for method, tail, body in (("PUT", "", {"tags": []}), ("PUT", "/x", None), ("DELETE", "", None)):
        assert member(method, path + tail, body, version="2.25").status_code == 404
        assert cloud.rest("reader", "member", "reader")(method, path + tail, body).status_code == 403
        assert cloud.rest("stranger")(method, path + tail, body).status_code == 404
    admin.act(server, {"os-resetState": {"state": "error"}})
    reply = member("PUT", f"{path}/x")
    assert (reply.status_code, "vm_state error" in sentence(reply)) == (409, True)
    admin.act(server, {"os-resetState": {"state": "active"}})
