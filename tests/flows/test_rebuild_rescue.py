"""Rebuild, rescue and unrescue, broken in every way once; and what races with them."""

from __future__ import annotations

from typing import Any

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.context import Context, system
from novalite.db import servers
from novalite.errors import BadRequest, ImageUnacceptable, InvalidServerState, OverQuota
from novalite.objects.base import Record
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

VERBS = ("rebuild", "rescue", "unrescue")
CASES = [(verb, *case) for verb in VERBS for case in step_cases(FLOWS[verb])]
METHODS = {"rebuild": "guests.rebuild", "rescue": "guests.rescue", "unrescue": "guests.power"}


class Stage:
    """A server of the image `old`, and an image `new` to rebuild or rescue it with."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, member = cloud, cloud.rest()
        cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
        self.old = member.image(hw_disk_bus="ide")
        self.new = member.image(hw_disk_bus="scsi", kernel_id="k")
        self.server = cloud.boot("web", image_id=self.old)

    def act(self, verb: str, tolerant: bool = False, **params: Any) -> None:
        """The verb, with the image `new` unless told otherwise."""
        if verb in ("rebuild", "rescue"):
            params = {"image_id": self.new, **params}
        self.cloud.act(self.server, verb, tolerant, **params)

    def ready_for(self, verb: str) -> None:
        """Bring the server into a state that accepts the verb."""
        if verb == "unrescue":
            self.act("rescue")

    @property
    def record(self) -> Record:
        """The server's row."""
        return self.cloud.show(self.server)

    @property
    def state(self) -> tuple[str, str | None]:
        """(vm_state, task_state)"""
        return self.record["vm_state"], self.record["task_state"]

    @property
    def guest(self) -> Any:
        """What the hypervisor has."""
        return self.cloud.driver("alpha").guest(self.server)


@pytest.fixture
def stage(cloud: Cloud) -> Stage:
    return Stage(cloud)


def landed(stage: Stage, verb: str) -> None:
    """The verb was done."""
    server, guest = stage.record, stage.guest
    assert stage.state == ("rescued" if verb == "rescue" else "active", None), server["fault"]
    assert guest.image == (stage.new if verb == "rebuild" else stage.old)
    assert guest.rescue == (stage.new if verb == "rescue" else "")
    assert (server["rescue"] or {}).get("image") == (stage.new if verb == "rescue" else None)
    check_invariants(stage.cloud)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_it_survives(tmp_path: Any, case: tuple[str, str, str]) -> None:
    verb, step, mode = case
    with Cloud(tmp_path, conductors=2) as cloud:
        stage = Stage(cloud)
        stage.ready_for(verb)
        with broken_step(cloud.conductors[0], verb, step, mode) as saboteur:
            stage.act(verb, tolerant=True)
            cloud.recover()
            assert saboteur.acted
        if (step, mode) != ("settle", "fails"):
            landed(stage, verb)
            return
        check_invariants(cloud)
        assert stage.state == ("rescued" if verb == "unrescue" else "error", None)
        if verb == "rebuild":
            assert stage.record["image_id"] == stage.guest.image == stage.new
        stage.act("unrescue" if verb == "unrescue" else "reboot_hard")  # what there is can be used
        assert stage.state == ("active", None)
        assert stage.guest.rescue == ""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("verb", ["rebuild", "rescue"])
def test_a_conductor_killed_at_any_commit_loses_nothing(
    tmp_path: Any, verb: str, number: int, after: bool
) -> None:
    """Accept, lease, arm the wait for the host, settle."""
    with Cloud(tmp_path, conductors=2) as cloud:
        stage = Stage(cloud)
        cloud.conductors[0].db.arm(number, after)
        stage.act(verb, tolerant=True)
        assert not cloud.conductors[0].alive
        cloud.recover()
        if cloud.refused and not after:
            assert stage.state == ("active", None)
            assert stage.record["image_id"] == stage.old
        else:
            landed(stage, verb)


@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
@pytest.mark.parametrize("method", ["asking", "hosted_servers.finished"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_message_that_is_lost_or_repeated_changes_nothing(
    stage: Stage, verb: str, method: str, how: str
) -> None:
    cloud = stage.cloud
    stage.ready_for(verb)
    name = METHODS[verb] if method == "asking" else method
    hook = {"lost": cloud.bus.lose, "repeated": cloud.bus.repeat, "answer lost": cloud.bus.lose_answer}[how]
    with hook(lambda envelope: envelope.name == name, 1):
        stage.act(verb)
        cloud.recover()
    landed(stage, verb)


# --- what a failure leaves ------------------------------------------------------------------------


def test_a_rebuild_that_fails_before_the_disk_goes_leaves_server_and_guest_of_the_old_image(
    stage: Stage,
) -> None:
    before = stage.record
    stage.cloud.driver("alpha").fail("disks", "no space left")
    stage.act("rebuild", changes={"name": "new name"})
    server = stage.record
    assert stage.state == ("error", None)
    assert "no space left" in server["fault"]["message"]
    for key in ("image_id", "image_properties", "kernel_id"):
        assert server[key] == before[key], key
    assert (stage.guest.image, stage.guest.state) == (stage.old, PowerState.RUNNING)
    assert server["power_state"] == PowerState.RUNNING
    assert server["name"] == "new name", "what else was asked for has nothing to do with the disk"
    check_invariants(stage.cloud)
    stage.cloud.driver("alpha").heal()
    stage.act("rebuild")
    landed(stage, "rebuild")


def test_a_rebuild_that_fails_later_leaves_them_of_the_new_image_and_off(stage: Stage) -> None:
    stage.cloud.driver("alpha").fail("guest_start", "no such machine", times=1)
    stage.act("rebuild")
    assert stage.state == ("error", None)
    assert stage.record["image_id"] == stage.guest.image == stage.new
    assert stage.record["power_state"] == PowerState.SHUTDOWN
    stage.act("reboot_hard")
    landed(stage, "rebuild")


def test_a_rescue_that_fails_leaves_the_server_as_it_was(stage: Stage) -> None:
    for operation in ("rescue", "rescue_start"):
        stage.cloud.driver("alpha").fail(operation, "broken floppy", times=1)
        stage.act("rescue")
        assert stage.state == ("active", None)
        assert (stage.guest.rescue, stage.guest.state) == ("", PowerState.RUNNING)
        assert stage.record["rescue"] is None
    stage.act("stop")
    stage.cloud.driver("alpha").fail("rescue_start", "broken floppy", times=1)
    stage.act("rescue")
    assert stage.state == ("stopped", None)
    assert stage.guest.state == PowerState.SHUTDOWN
    check_invariants(stage.cloud)


def test_an_unrescue_that_fails_leaves_it_rescued(stage: Stage) -> None:
    stage.act("rescue")
    stage.cloud.driver("alpha").fail("unrescue", "monitor timed out", times=1)
    stage.act("unrescue")
    landed(stage, "rescue")
    stage.act("unrescue")
    landed(stage, "unrescue")


@pytest.mark.parametrize("verb", VERBS)
def test_on_a_dead_host_it_ends_all_the_same(two_hosts: Cloud, verb: str) -> None:
    cloud = two_hosts
    stage = Stage(cloud)
    stage.ready_for(verb)
    cloud.stop_host(stage.record["host"])
    stage.act(verb)
    cloud.recover()
    assert stage.state == ("rescued" if verb == "unrescue" else "error", None)


# --- what is kept and what follows ----------------------------------------------------------------


def test_a_stopped_server_stays_stopped_when_it_is_rebuilt(stage: Stage) -> None:
    stage.act("stop")
    stage.act("rebuild")
    assert stage.state == ("stopped", None)
    assert stage.record["power_state"] == stage.guest.state == PowerState.SHUTDOWN
    stage.act("start")
    landed(stage, "rebuild")


def test_a_rebuilt_server_keeps_its_place_and_takes_what_was_asked(stage: Stage) -> None:
    before = stage.record
    changes = {"name": "n", "metadata": {"k": "v"}, "description": "d", "hostname": "h", "user_data": "eA=="}
    stage.act("rebuild", changes=changes)
    server = stage.record
    assert {key: server[key] for key in changes} == changes
    assert server["image_properties"] == {"hw_disk_bus": "scsi", "kernel_id": "k"}
    assert server["kernel_id"] == "k"
    for key in ("host", "node", "flavor", "created_at", "key_name", "number"):
        assert server[key] == before[key], key
    assert server["launched_at"] > before["launched_at"]
    landed(stage, "rebuild")


def test_a_server_in_error_is_rebuilt_to_active(stage: Stage) -> None:
    with stage.cloud.db.begin() as session:
        servers.change(session, stage.server, vm_state="error", fault=servers.fault("x"))
    stage.act("rebuild")
    landed(stage, "rebuild")


def test_a_rescued_guest_that_goes_off_by_itself_is_noted_and_stays_rescued(stage: Stage) -> None:
    stage.act("rescue")
    stage.cloud.driver("alpha").power_off(stage.server)
    stage.cloud.hosts["alpha"].manager.sync.run(system())
    assert stage.state == ("rescued", None)
    assert stage.record["power_state"] == PowerState.SHUTDOWN
    stage.act("unrescue")
    landed(stage, "unrescue")


def test_a_rescued_guest_is_started_again_when_its_host_comes_back(tmp_path: Any) -> None:
    settings = {"compute.resume_guests_state_on_host_boot": True}
    with Cloud(tmp_path, overrides=settings) as cloud:
        stage = Stage(cloud)
        stage.act("rescue")
        cloud.hosts["alpha"].stop()
        cloud.driver("alpha")._move(stage.server, PowerState.SHUTDOWN)  # a power cut
        cloud.hosts["alpha"].start()
        landed(stage, "rescue")
        assert stage.guest.state == PowerState.RUNNING


def test_a_rescued_server_that_is_deleted_leaves_nothing(stage: Stage) -> None:
    stage.act("rescue")
    stage.cloud.delete(stage.server)
    assert stage.cloud.driver("alpha").guests() == []
    check_invariants(stage.cloud)


def test_a_hard_reboot_ends_a_rescue_that_is_none_any_more(stage: Stage) -> None:
    """As after a deletion that failed: the server is in ERROR, and was rescued."""
    stage.act("rescue")
    stage.cloud.driver("alpha").fail("destroy", "busy", times=1)
    stage.cloud.delete(stage.server)
    assert stage.state == ("error", None)
    stage.act("reboot_hard")
    landed(stage, "unrescue")


# --- refused before anything changes --------------------------------------------------------------


def test_what_does_not_fit_is_refused_before_anything_changes(stage: Stage) -> None:
    member, before = stage.cloud.rest(), stage.record
    for verb, params, error, words in (
        ("rebuild", {"image_id": "0" * 36}, BadRequest, "could not be found"),
        ("rebuild", {"image_id": member.image(min_disk=9)}, BadRequest, "too small"),
        ("rebuild", {"image_id": member.image(min_ram=4096)}, BadRequest, "memory is too small"),
        ("rebuild", {"image_id": member.image(None)}, BadRequest, "not active"),
        ("rebuild", {"changes": {"key_name": "absent"}}, BadRequest, "Invalid key_name"),
        ("rebuild", {"changes": {"vm_state": "active"}}, BadRequest, "cannot change vm_state"),
        ("rebuild", {"changes": {"metadata": {str(n): "" for n in range(129)}}}, OverQuota, "metadata_items"),
        ("rescue", {"image_id": "0" * 36}, BadRequest, "could not be found"),
        ("rescue", {"image_id": member.image(None)}, BadRequest, "not active"),
        ("rescue", {"image_id": member.image(min_ram=4096)}, BadRequest, "memory is too small"),
        ("rescue", {"image_id": member.image(hw_rescue_device="tape")}, ImageUnacceptable, "not 'tape'"),
        ("rescue", {"image_id": member.image(hw_rescue_bus="fdc")}, ImageUnacceptable, "not 'fdc'"),
    ):
        with pytest.raises(error, match=words):
            stage.act(verb, **params)  # type: ignore[arg-type]
        assert stage.record == before


# --- races ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["rebuild", "rescue"])
@pytest.mark.parametrize("second", ["stop", "rebuild", "rescue"])
def test_of_two_at_once_exactly_one_wins(stage: Stage, first: str, second: str) -> None:
    cloud = stage.cloud
    with cloud.bus.lose(lambda e: e.name == METHODS[first], 1):
        stage.act(first)
        with pytest.raises(InvalidServerState, match="task_state"):
            stage.act(second)
    cloud.recover()
    landed(stage, first)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("lost", [True, False], ids=["before its host heard of it", "while its host is at it"])
def test_deletion_wins_over_it(stage: Stage, verb: str, lost: bool) -> None:
    cloud = stage.cloud
    stage.ready_for(verb)
    name = METHODS[verb] if lost else "hosted_servers.finished"
    with cloud.bus.lose(lambda e: e.name == name, 1):
        stage.act(verb)
    cloud.delete(stage.server)
    cloud.recover()
    assert cloud.show(stage.server, deleted=True)["vm_state"] == "deleted"
    check_invariants(cloud)
