"""Images of servers, whatever happens while they are made: whole or gone, and the server as it was."""

from __future__ import annotations

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.db import tasks
from novalite.rpc.bus import Envelope
from novalite.rpc.contracts.servers import Servers
from tests.flows.harness import broken_step, check_invariants, step_cases
from tests.served import ServedCloud

SHOT = {"name": "shot"}
BACKUP = {"name": "b", "backup_type": "daily", "rotation": 1}


def state(cloud: ServedCloud, server_id: str) -> tuple[str, str | None]:
    """(vm_state, task_state)"""
    server = cloud.show(server_id)
    return server["vm_state"], server["task_state"]


@pytest.mark.parametrize("before", ["active", "stopped", "paused", "suspended"])
def test_a_server_keeps_its_state(served: ServedCloud, before: str) -> None:
    server_id = served.boot("web")
    ways = {"stopped": "stop", "paused": "pause", "suspended": "suspend"}
    if before in ways:
        served.act(server_id, ways[before])
    power = served.show(server_id)["power_state"]
    served.act(server_id, "createImage", **SHOT)
    assert state(served, server_id) == (before, None)
    assert served.show(server_id)["power_state"] == power
    assert served.images() == [("shot", "active")]


def test_how_far_it_is_can_be_seen(served: ServedCloud) -> None:
    server_id = served.boot("web")
    seen: list[str | None] = []

    def look(envelope: Envelope) -> bool:
        if not seen or seen[-1] != served.show(server_id)["task_state"]:
            seen.append(served.show(server_id)["task_state"])
        return False

    with served.bus.lose(look):
        served.act(server_id, "createImage", **SHOT)
    assert seen == [
        None, "image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading",
    ]  # fmt: skip


@pytest.mark.parametrize("case", step_cases(FLOWS["snapshot"]), ids=" ".join)
def test_an_image_is_whole_or_gone(served: ServedCloud, case: tuple[str, str]) -> None:
    step, mode = case
    server_id = served.boot("web")
    with broken_step(served.alive, "snapshot", step, mode) as saboteur:
        served.act(server_id, "createBackup", tolerant=True, **BACKUP)
        served.recover(5)
        assert saboteur.acted
    assert state(served, server_id) == ("active", None)
    gone = (mode == "fails" and step != "snapshot") or case == ("snapshot", "killed after")
    assert served.images() == ([] if gone else [("b", "active")])  # nobody takes bytes without a conductor
    assert len(served.files()) == len(served.images())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(6))
def test_a_conductor_killed_at_any_commit(served: ServedCloud, number: int, after: bool) -> None:
    """Accept, lease, arm the wait, progress, the upload's own, …"""
    server_id = served.boot("web")
    dying = served.alive
    dying.db.arm(number, after)
    served.act(server_id, "createImage", tolerant=True, **SHOT)
    assert not dying.alive, "the flow has fewer commits than that"
    served.recover(5)
    assert state(served, server_id) == ("active", None)
    assert served.images() in ([], [("shot", "active")])
    assert len(served.files()) == len(served.images())


@pytest.mark.parametrize(
    "method", ["tasks.poke", "guests.snapshot", "hosted_servers.progressed", "hosted_servers.finished"]
)
@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_a_message_that_is_lost_or_repeated(served: ServedCloud, method: str, how: str) -> None:
    bus = served.bus
    hook = {"lost": bus.lose, "repeated": bus.repeat, "answer lost": bus.lose_answer}[how]
    server_id = served.boot("web")
    with hook(lambda envelope: envelope.name == method, 1):
        served.act(server_id, "createImage", **SHOT)
        served.recover(5)
    assert state(served, server_id) == ("active", None)
    assert served.images() == [("shot", "active")]
    assert len(served.files()) == 1


@pytest.mark.parametrize("operation", ["snapshot", "upload"])
def test_a_host_that_cannot_leaves_no_image(served: ServedCloud, operation: str) -> None:
    server_id = served.boot("web")
    host = served.show(server_id)["host"]
    if operation == "snapshot":
        served.driver(host).fail("snapshot", "no space left")
        served.act(server_id, "createImage", **SHOT)
    else:
        with served.bus.lose(lambda e: e.name == "images.begin_upload"):
            served.act(server_id, "createImage", **SHOT)
    assert state(served, server_id) == ("active", None)
    assert served.images() == []
    with served.db.read() as session:
        action = tasks.actions(session, server_id)[0]
    assert (action["action"], action["message"]) == ("createImage", "Error")
    assert [e["event"] for e in action["events"] if e["result"] == "Error"] == ["snapshot"]


def test_an_upload_whose_report_was_lost_with_its_host_is_not_sent_twice(served: ServedCloud) -> None:
    """The image has its bytes already when the restarted host is asked again: the conductor sees that it has."""
    server_id = served.boot("web")
    host = served.show(server_id)["host"]
    with served.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        served.act(server_id, "createImage", **SHOT)
        served.hosts[host].stop()
    assert served.images() == [("shot", "active")]
    served.hosts[host].start()
    served.recover(5)
    assert state(served, server_id) == ("active", None)
    assert served.images() == [("shot", "active")]
    assert len(served.files()) == 1


@pytest.mark.parametrize("moment", ["tasks.poke", "guests.snapshot", "hosted_servers.progressed"])
def test_an_image_that_is_deleted_while_it_is_made_is_gone(served: ServedCloud, moment: str) -> None:
    """At once, without waiting for anything: no time passes here."""
    server_id = served.boot("web")
    admin = served.rest("admin")

    def delete(envelope: Envelope) -> bool:
        if envelope.name == moment:
            for image in admin.get("/image/v2/images")["images"]:
                admin.delete(f"/image/v2/images/{image['id']}")
        return False

    with served.bus.lose(delete):
        served.act(server_id, "createImage", **SHOT)
    assert state(served, server_id) == ("active", None)
    assert served.images() == []


@pytest.mark.parametrize("moment", ["guests.snapshot", "hosted_servers.progressed", "hosted_servers.finished"])
def test_a_server_deleted_while_its_image_is_made(served: ServedCloud, moment: str) -> None:
    """The image goes with it, unless it was whole by then."""
    server_id = served.boot("web")
    asked: list[str] = []

    def delete(envelope: Envelope) -> bool:
        if envelope.name == moment and not asked:
            asked.append(moment)
            served.delete(server_id)
        return False

    with served.bus.lose(delete):
        served.act(server_id, "createImage", **SHOT)
        served.recover(5)
    assert asked
    assert served.show(server_id)["vm_state"] == "deleted"
    assert served.images() == ([("shot", "active")] if moment == "hosted_servers.finished" else [])
    check_invariants(served)


def test_a_host_that_is_dead_is_not_waited_for(served: ServedCloud) -> None:
    server_id = served.boot("web")
    host = served.show(server_id)["host"]
    served.stop_host(host)
    served.act(server_id, "createImage", **SHOT)
    served.recover(5)
    assert state(served, server_id) == ("active", None)
    assert served.images() == []
    served.start_host(host)


def test_leftovers_of_a_killed_host_go_when_it_starts(served: ServedCloud) -> None:
    left = served.hosts["alpha"].manager.guests.snapshots.path / "aaaaaaaa-0000-4000-8000-000000000001"
    left.mkdir(parents=True)
    (left / "image").write_bytes(b"half")
    served.hosts["alpha"].stop()
    served.hosts["alpha"].start()
    assert not left.exists()


# --- backups --------------------------------------------------------------------------------------


def test_backups_rotate_by_type(served: ServedCloud) -> None:
    server_id, other = served.boot("web"), served.boot("other")
    served.act(other, "createBackup", name="other", backup_type="daily", rotation=5)
    served.act(server_id, "createBackup", name="w1", backup_type="weekly", rotation=2)
    served.act(server_id, "createImage", **SHOT)
    for number in range(1, 5):
        served.act(server_id, "createBackup", name=f"d{number}", backup_type="daily", rotation=2)
    names = {name for name, _ in served.images()}
    assert names == {"other", "w1", "shot", "d3", "d4"}
    assert len(served.files()) == 5
    served.act(server_id, "createBackup", name="none", backup_type="daily", rotation=0)
    assert {name for name, _ in served.images()} == {"other", "w1", "shot"}
    assert state(served, server_id) == ("active", None)


def test_a_protected_backup_stays_and_a_strangers_does_not_count(served: ServedCloud) -> None:
    server_id = served.boot("web")
    served.act(server_id, "createBackup", **{**BACKUP, "name": "first"})
    admin = served.rest("admin")
    first = admin.get("/image/v2/images")["images"][0]
    patch = [{"op": "replace", "path": "/protected", "value": True}]
    kind = "application/openstack-images-v2.1-json-patch"
    path = f"/image/v2/images/{first['id']}"
    assert admin("PATCH", path, patch, headers={"Content-Type": kind}).status_code == 200
    same = {"instance_uuid": server_id, "image_type": "backup", "backup_type": "daily"}
    served.rest("stranger").image(name="strangers", **same)
    served.act(server_id, "createBackup", **{**BACKUP, "name": "second"})
    served.act(server_id, "createBackup", **{**BACKUP, "name": "third"})
    assert {name for name, _ in served.images()} == {"first", "strangers", "third"}
    patch[0]["value"] = False
    assert admin("PATCH", path, patch, headers={"Content-Type": kind}).status_code == 200


# --- ended from outside ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "soft delete"])
def test_an_image_is_given_up_when_its_task_is_ended_from_outside(served: ServedCloud, how: str) -> None:
    """An administrator resets the state, or the server is deleted but kept: no image waits for ever."""
    conf = served.alive.manager.env.conf
    server_id = served.boot("web")
    with served.bus.lose(lambda e: e.name == "guests.snapshot"):
        served.act(server_id, "createImage", **SHOT)
        assert served.images() == [("shot", "queued")]
        if how == "reset":
            served.client.of(Servers).reset_state(served.admin, server_id, "active")
            assert state(served, server_id) == ("active", None)
        else:
            conf.set_override("reclaim_instance_interval", 3600, "conductor")
            try:
                served.delete(server_id)
            finally:
                conf.clear_override("reclaim_instance_interval", "conductor")
            assert state(served, server_id) == ("soft-delete", None)
    assert served.images() == []
    served.recover(3)
    assert served.images() == []


def test_a_late_order_for_an_image_that_is_gone_changes_nothing(served: ServedCloud) -> None:
    server_id = served.boot("web")
    late: list[Envelope] = []

    def hold(envelope: Envelope) -> bool:
        late.extend([envelope] if envelope.name == "guests.snapshot" else [])
        return envelope.name == "guests.snapshot"

    with served.bus.lose(hold):
        served.act(server_id, "createImage", **SHOT)
        served.client.of(Servers).reset_state(served.admin, server_id, "active")
    served.bus.cast(late[0])
    served.bus.drain()
    assert state(served, server_id) == ("active", None)
    assert (served.images(), served.files()) == ([], [])
