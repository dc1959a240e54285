"""Cold migration, and what becomes of it, whatever happens on the way: a server's disk is always somewhere, and runs
once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from novalite.conductor.periodic.confirm_resizes import ConfirmResizes
from novalite.conductor.tasks import FLOWS
from novalite.context import system
from novalite.db.models.migrations import Migration
from novalite.errors import BadRequest, InvalidServerState, MigrationPreCheckError, ServerNotMovable
from novalite.rpc.bus import Envelope
from novalite.rpc.contracts.servers import Servers
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases
from tests.networked import EMBEDDED, a_network, check_ports, interfaces_of, on
from tests.served import ServedCloud

OFF, RUNNING, NONE = PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.NOSTATE


def state(cloud: Cloud, server_id: str) -> tuple[str, str | None, int]:
    """(vm_state, task_state, power_state)"""
    server = cloud.show(server_id)
    return server["vm_state"], server["task_state"], server["power_state"]


def powers(cloud: Cloud, server_id: str, *hosts: str) -> tuple[PowerState, ...]:
    """Of its guests on these hosts."""
    return tuple(cloud.driver(host).power_state(server_id) for host in hosts)


def a_server(cloud: Cloud, vm_state: str = "active") -> tuple[str, str, str]:
    """(its id, its host, the other one)"""
    server_id = cloud.boot("web")
    if vm_state == "stopped":
        cloud.act(server_id, "stop")
    here = str(cloud.show(server_id)["host"])
    (there,) = (name for name in cloud.host_names if name != here)
    return server_id, here, there


def a_moved_server(cloud: Cloud, vm_state: str = "active") -> tuple[str, str, str]:
    """The same for one that waits to be confirmed: (its id, the host it was on, the host it is on)."""
    server_id, here, there = a_server(cloud, vm_state)
    cloud.act(server_id, "migrate")
    assert state(cloud, server_id)[0] == "resized", cloud.show(server_id)
    return server_id, here, there


def latest(cloud: Cloud, server_id: str) -> Migration:
    with cloud.db.read() as session:
        found = session.query(Migration).filter(Migration.server_id == server_id).order_by(Migration.id.desc())
        return found.first()  # type: ignore[return-value]


@pytest.mark.parametrize("before", ["active", "stopped"])
@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
def test_a_server_goes_to_another_host_and_stays_or_comes_back(served: ServedCloud, before: str, end: str) -> None:
    power = RUNNING if before == "active" else OFF
    server_id, here, there = a_moved_server(served, before)
    assert state(served, server_id) == ("resized", None, int(power))
    assert served.show(server_id)["host"] == there
    assert powers(served, server_id, here, there) == (OFF, power), "the old guest is kept"
    migration = latest(served, server_id)
    assert (migration.migration_type, migration.status) == ("migration", "finished")
    assert (migration.source_host, migration.dest_host) == (here, there)
    assert served.images() == [] and served.files() == []
    check_invariants(served)
    served.act(server_id, end)
    assert state(served, server_id) == (before, None, int(power))
    confirmed = end == "confirm_resize"
    assert served.show(server_id)["host"] == (there if confirmed else here)
    assert powers(served, server_id, here, there) == ((NONE, power) if confirmed else (power, NONE))
    assert latest(served, server_id).status == ("confirmed" if confirmed else "reverted")
    check_invariants(served)


def test_how_far_it_is_can_be_seen(served: ServedCloud) -> None:
    server_id, *_ = a_server(served)
    seen: list[tuple[str | None, str | None]] = []

    def look(envelope: Envelope) -> bool:
        migration = latest(served, server_id)
        found = (served.show(server_id)["task_state"], migration.status if migration else None)
        if not seen or seen[-1] != found:
            seen.append(found)
        return False

    with served.bus.lose(look):
        served.act(server_id, "migrate")
    assert seen == [
        (None, None), ("resize_prep", "pre-migrating"), ("resize_migrating", "migrating"),
        ("resize_migrated", "post-migrating"), (None, "finished"),
    ]  # fmt: skip


def test_what_is_refused_changes_nothing(served: ServedCloud, cloud: Cloud) -> None:
    server_id, here, there = a_server(served)
    big = served.make_flavor("with-ephemeral", vcpus=1, ram_mb=64, disk_gb=1)
    before = served.show(server_id)
    for verb, error, words, params in (
        ("migrate", BadRequest, "Compute host nowhere could not be found", {"host": "nowhere"}),
        ("migrate", BadRequest, "Cannot migrate to the host where the server exists", {"host": here}),
        ("live_migrate", BadRequest, "Compute host nowhere could not be found", {"host": "nowhere"}),
        ("live_migrate", BadRequest, "to current host", {"host": here}),
        ("live_migrate", MigrationPreCheckError, "cannot move a guest that runs", {"host": there}),
        ("live_migrate", MigrationPreCheckError, "cannot move a guest that runs", {}),
    ):
        with pytest.raises(error, match=words):
            served.act(server_id, verb, **params)
    assert served.show(server_id) == before
    assert (big, served.images()) == ("with-ephemeral", [])
    alone = cloud.boot("web")
    with pytest.raises(BadRequest, match=r"No valid host was found\. There is no other host"):
        cloud.act(alone, "migrate")
    assert state(cloud, alone) == ("active", None, 1)


def test_an_ephemeral_disk_stays_where_it_is(served: ServedCloud) -> None:
    flavor = {"flavor_id": "eph", "name": "eph", "vcpus": 1, "ram_mb": 64, "disk_gb": 1, "ephemeral_gb": 1}
    served.rest("admin").made("/flavors", {"flavor": {
        "id": "eph", "name": "eph", "vcpus": 1, "ram": 64, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 1,
    }})  # fmt: skip
    served.flavor_id, tiny = str(flavor["flavor_id"]), served.flavor_id
    try:
        server_id, *_ = a_server(served)
    finally:
        served.flavor_id = tiny
    with pytest.raises(ServerNotMovable, match="its ephemeral disk cannot be taken along"):
        served.act(server_id, "migrate")


@pytest.mark.parametrize("where", ["snapshot", "spawn", "stop"])
def test_what_fails_is_taken_back(served: ServedCloud, where: str) -> None:
    server_id, here, there = a_server(served, "stopped" if where == "stop" else "active")
    before = state(served, server_id)
    served.driver(there if where != "snapshot" else here).fail(where, "no space left")
    served.act(server_id, "migrate")
    assert state(served, server_id) == before
    assert powers(served, server_id, here, there) == (PowerState(before[2]), NONE)
    assert latest(served, server_id).status == "error"
    assert served.images() == []
    served.driver(there).heal()
    served.driver(here).heal()
    served.act(server_id, "migrate", host=there)
    assert (state(served, server_id)[0], served.show(server_id)["host"]) == ("resized", there)


def test_a_dead_new_host_does_not_keep_a_server_from_coming_back(served: ServedCloud) -> None:
    server_id, here, there = a_moved_server(served)
    served.stop_host(there)
    served.act(server_id, "revert_resize")
    for _ in range(8):
        served.clock.ahead += 30
        served.beat(served.hosts[here])
        served.alive.manager.env.tasks.sweep()
    assert (state(served, server_id), served.show(server_id)["host"]) == (("active", None, 1), here)
    served.start_host(there)
    assert powers(served, server_id, here, there) == (RUNNING, NONE), "it removed what does not live there"


def test_a_dead_old_host_does_not_keep_a_server_from_being_confirmed(served: ServedCloud) -> None:
    server_id, here, there = a_moved_server(served)
    served.stop_host(here)
    served.act(server_id, "confirm_resize")
    for _ in range(8):
        served.clock.ahead += 30
        served.beat(served.hosts[there])
        served.alive.manager.env.tasks.sweep()
    assert (state(served, server_id), served.show(server_id)["host"]) == (("active", None, 1), there)
    served.start_host(here)
    assert powers(served, server_id, here, there) == (NONE, RUNNING)


def test_a_restart_of_either_host_keeps_both_guests(served: ServedCloud) -> None:
    server_id, here, there = a_moved_server(served)
    for host in (here, there):
        served.hosts[host].stop()
        served.hosts[host].start()
    assert powers(served, server_id, here, there) == (OFF, RUNNING)
    served.act(server_id, "revert_resize")


def test_it_is_confirmed_in_time(served: ServedCloud) -> None:
    server_id, here, there = a_moved_server(served)
    served.conf.set_override("resize_confirm_window", 1)
    try:
        job = ConfirmResizes(served.alive.manager.env)
        with served.db.begin() as session:
            moved = session.query(Migration.updated_at).filter(Migration.server_id == server_id).scalar()
            session.query(Migration).update({"updated_at": moved + timedelta(hours=1)})
        assert not job.run(system()), "it has time yet"
        with served.db.begin() as session:
            session.query(Migration).update({"updated_at": moved - timedelta(hours=1)})
        assert job.run(system())
    finally:
        served.conf.set_override("resize_confirm_window", 0)
    assert state(served, server_id) == ("active", None, 1)
    assert powers(served, server_id, here, there) == (NONE, RUNNING)


def delete(cloud: Cloud, server_id: str) -> None:
    cloud.delete(server_id)


def reset(cloud: Cloud, server_id: str) -> None:
    cloud.client.of(Servers).reset_state(cloud.admin, server_id, "active")


@pytest.mark.parametrize("end", [delete, reset])
@pytest.mark.parametrize("lost", ["guests.snapshot", "guests.spawn", "hosted_servers.finished", ""])
def test_deleting_and_resetting_end_it(served: ServedCloud, end: Callable[[Cloud, str], None], lost: str) -> None:
    server_id, *_ = a_server(served)
    with served.bus.lose(lambda envelope: envelope.name == lost):
        served.act(server_id, "migrate")
        assert state(served, server_id)[0] == ("active" if lost else "resized")
        end(served, server_id)
    if end is reset:  # no task is left to tidy up: hosts find out by themselves
        for host in served.hosts.values():
            host.stop()
            host.start()
    served.recover()
    assert served.images() == []
    check_invariants(served)


@pytest.mark.parametrize("case", step_cases(FLOWS["migrate"]), ids=" ".join)
def test_a_migration_survives(served: ServedCloud, case: tuple[str, str]) -> None:
    step, mode = case
    before = "stopped" if step == "stop" else "active"
    server_id, here, there = a_server(served, before)
    with broken_step(served.alive, "migrate", step, mode) as saboteur:
        served.act(server_id, "migrate", tolerant=True)
        served.recover(8)
        assert saboteur.acted
    vm_state, host = state(served, server_id)[0], served.show(server_id)["host"]
    if (vm_state, host) == (before, here):
        assert mode == "fails" or case == ("snapshot", "killed after"), case
        assert powers(served, server_id, here, there) == (RUNNING, NONE)
    else:
        assert (vm_state, host) == ("resized", there)
        assert powers(served, server_id, here, there) == (OFF, OFF if before == "stopped" else RUNNING)
    assert served.images() == []
    check_invariants(served)


@pytest.mark.parametrize("number", [*range(7), 8, 9])
def test_a_conductor_killed_at_any_commit_loses_nothing(served: ServedCloud, number: int) -> None:
    """Accept, lease, an order to arm, and so on. The image service lives in the same conductor: the 7th ends an upload,
    whose bytes are left to the sweep of the store then (tests/api/images/test_bytes.py)."""
    server_id, here, there = a_server(served)
    dying = served.alive
    dying.db.arm(number, False)  # type: ignore[attr-defined]
    served.act(server_id, "migrate", tolerant=True)
    assert not dying.alive, "the flow has fewer commits than that"
    served.recover(8)
    vm_state, host = state(served, server_id)[0], served.show(server_id)["host"]
    assert (vm_state, host) in (("active", here), ("resized", there))
    assert powers(served, server_id, here, there) == ((RUNNING, NONE) if host == here else (OFF, RUNNING))
    assert served.images() == []
    check_invariants(served)


@pytest.mark.parametrize("kind", ["confirm", "revert"])
@pytest.mark.parametrize("mode", ["fails", "runs twice", "killed before", "killed after"])
def test_confirming_and_reverting_survive(served: ServedCloud, kind: str, mode: str) -> None:
    flow, verb = FLOWS[f"{kind}_migration"], f"{kind}_resize"
    for step in flow.steps:
        server_id, here, there = a_moved_server(served)
        with broken_step(served.alive, flow.kind, step.name, mode) as saboteur:
            served.act(server_id, verb, tolerant=True)
            served.recover(8)
            assert saboteur.acted
        if served.show(server_id)["vm_state"] == "resized":
            assert mode == "fails" and step.name in ("ports", "home", "settle"), step.name
            served.act(server_id, verb)
        assert state(served, server_id) == ("active", None, 1)
        gone, lives = (here, there) if kind == "confirm" else (there, here)
        assert served.show(server_id)["host"] == lives
        assert powers(served, server_id, gone, lives) == (NONE, RUNNING)
        check_invariants(served)
        served.delete(server_id)


@pytest.fixture
def elsewhere(served: ServedCloud) -> Iterator[ServedCloud]:
    """Servers may not be resized where they are."""
    if "big" not in {flavor["id"] for flavor in served.rest().get("/flavors")["flavors"]}:
        served.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    served.conf.set_override("allow_resize_to_same_host", False)
    yield served
    served.conf.set_override("allow_resize_to_same_host", True)


def size(cloud: Cloud, server_id: str, host: str) -> tuple[int, int, int]:
    """vCPUs, MB of RAM and MB of root disk of a guest."""
    guest = cloud.driver(host).guest(server_id)
    return guest.vcpus, guest.ram_mb, guest.root_mb


SMALL, BIG = (1, 64, 1024), (2, 128, 2048)


@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
def test_a_resize_that_may_not_stay_goes_to_another_host(elsewhere: ServedCloud, end: str) -> None:
    server_id, here, there = a_server(elsewhere)
    elsewhere.act(server_id, "resize", flavor_id="big", disk_config="MANUAL")
    server = elsewhere.show(server_id)
    assert (server["vm_state"], server["host"], server["flavor_id"]) == ("resized", there, "big")
    assert (server["vcpus"], server["ram_mb"], server["disk_gb"], server["disk_config"]) == (2, 128, 2, "MANUAL")
    assert (size(elsewhere, server_id, here), size(elsewhere, server_id, there)) == (SMALL, BIG)
    assert latest(elsewhere, server_id).migration_type == "resize"
    check_invariants(elsewhere)
    elsewhere.act(server_id, end)
    server = elsewhere.show(server_id)
    host, flavor, has = (there, "big", BIG) if end == "confirm_resize" else (here, "tiny", SMALL)
    assert (server["vm_state"], server["host"], server["flavor_id"], server["vcpus"]) == (
        "active", host, flavor, has[0],
    )  # fmt: skip
    assert size(elsewhere, server_id, host) == has
    check_invariants(elsewhere)


def test_a_resize_elsewhere_that_fails_leaves_flavor_room_and_quota(elsewhere: ServedCloud) -> None:
    server_id, here, there = a_server(elsewhere)
    elsewhere.driver(there).fail("spawn", "no space left")
    elsewhere.act(server_id, "resize", flavor_id="big")
    server = elsewhere.show(server_id)
    assert (server["vm_state"], server["host"], server["flavor_id"], server["vcpus"]) == ("active", here, "tiny", 1)
    assert powers(elsewhere, server_id, here, there) == (RUNNING, NONE)
    check_invariants(elsewhere)


def test_with_one_host_such_a_resize_is_refused(cloud: Cloud) -> None:
    cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    cloud.conf.set_override("allow_resize_to_same_host", False)
    server_id = cloud.boot("web")
    with pytest.raises(BadRequest, match="No valid host was found"):
        cloud.act(server_id, "resize", flavor_id="big")
    assert state(cloud, server_id) == ("active", None, 1)


def test_ports_go_along(tmp_path: Path) -> None:
    with ServedCloud(tmp_path, hosts=("alpha", "beta"), overrides=EMBEDDED) as cloud:
        network = a_network(cloud)
        server_id = cloud.create("web", networks=(on(network),))
        (before,) = interfaces_of(cloud, server_id)
        for verb in ("migrate", "revert_resize", "stop", "migrate", "confirm_resize", "start"):
            cloud.act(server_id, verb)
            check_invariants(cloud)
            check_ports(cloud)
        with cloud.bus.lose(lambda envelope: envelope.name == "hosted_servers.finished"):
            cloud.act(server_id, "migrate")
            reset(cloud, server_id)
        cloud.recover()
        check_ports(cloud)
        assert interfaces_of(cloud, server_id)[0]["fixed_ips"] == before["fixed_ips"]


@pytest.mark.parametrize("verb", ["migrate", "confirm_resize", "revert_resize"])
def test_of_two_that_race_one_wins(served: ServedCloud, verb: str) -> None:
    server_id, *_ = a_server(served) if verb == "migrate" else a_moved_server(served)
    rival = {"migrate": "resize", "confirm_resize": "revert_resize", "revert_resize": "confirm_resize"}[verb]
    with served.bus.lose(lambda envelope: envelope.name == "tasks.poke", 1):
        served.act(server_id, verb)
    for loser in (verb, rival):
        with pytest.raises(InvalidServerState):
            served.act(server_id, loser, flavor_id="tiny")
    served.recover()
    check_invariants(served)
