"""Servers with networks: whatever breaks, ports are where their servers are, and nobody's when these are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.context import system
from novalite.errors import NovaliteError
from novalite.rpc.contracts.interfaces import Interfaces
from novalite.rpc.contracts.servers import Tasks
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases
from tests.networked import EMBEDDED, a_network, a_port, check_ports, interfaces_of, networked, on, port
from tests.served import ServedCloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two conductors, two hosts, networks."""
    with networked(tmp_path, conductors=2) as made:
        yield made


def id_of(case: tuple[str, str]) -> str:
    return " ".join(case)


def sound(cloud: Cloud) -> None:
    """Nothing is left over or half done."""
    check_invariants(cloud)
    check_ports(cloud)


def create(cloud: Cloud, *wanted: Any, **more: Any) -> Any:
    """A server with these interfaces."""
    return cloud.create("web", networks=tuple(wanted), **more)


@pytest.mark.parametrize("case", step_cases(FLOWS["create"]), ids=id_of)
def test_a_create_with_ports_survives(cloud: Cloud, case: tuple[str, str]) -> None:
    step, mode = case
    network = a_network(cloud)
    given = a_port(cloud, network)
    with broken_step(cloud.conductors[0], "create", step, mode):
        server_id = create(cloud, on(network, tag="front"), on(port_id=given), tolerant=True)
        cloud.recover()
    if mode == "fails" and step in ("select", "claim", "ports"):
        assert cloud.show(server_id)["vm_state"] == "error"
        assert interfaces_of(cloud, server_id) == []
        assert port(cloud, given)["device_id"] == ""  # type: ignore[index]
    else:
        assert cloud.show(server_id)["vm_state"] == "active"
        first, second = interfaces_of(cloud, server_id)
        assert (first["tag"], first["made"], second["port_id"], second["made"]) == ("front", True, given, False)
        assert first["fixed_ips"][0]["ip_address"].startswith("10.0.0.")
    sound(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["delete"]), ids=id_of)
def test_a_delete_with_ports_survives(cloud: Cloud, case: tuple[str, str]) -> None:
    step, mode = case
    network = a_network(cloud)
    given = a_port(cloud, network)
    server_id = create(cloud, on(network), on(port_id=given))
    made = interfaces_of(cloud, server_id)[0]["port_id"]
    with broken_step(cloud.conductors[0], "delete", step, mode):
        cloud.delete(server_id, tolerant=True)
        cloud.recover()
    if cloud.show(server_id)["vm_state"] == "error":
        cloud.delete(server_id)
    assert port(cloud, made) is None
    assert (port(cloud, given)["device_id"], port(cloud, given)["host"]) == ("", "")  # type: ignore[index]
    sound(cloud)


def attach(cloud: Cloud, server_id: str, **wanted: Any) -> Any:
    """Attach, whoever dies meanwhile; the record or the error."""
    asked = {"port_id": None, "net_id": None, "fixed_ips": None, "tag": None, **wanted}
    try:
        return cloud.client.of(Interfaces).attach(cloud.ctx, server_id, asked)
    except NovaliteError as error:
        return error


def detach(cloud: Cloud, server_id: str, port_id: str) -> None:
    """Detach and poke, whoever dies meanwhile."""
    accepted = cloud.client.of(Interfaces).detach(cloud.ctx, server_id, port_id)
    assert accepted.task_id is not None
    cloud.client.of(Tasks).poke(cloud.ctx, [accepted.task_id])


@pytest.mark.parametrize("given", [False, True], ids=["a new port", "a port that is there"])
@pytest.mark.parametrize("case", step_cases(FLOWS["attach_interface"]), ids=id_of)
def test_an_attachment_survives(cloud: Cloud, case: tuple[str, str], given: bool) -> None:
    _, mode = case
    network = a_network(cloud)
    wanted = {"port_id": a_port(cloud, network)} if given else {"net_id": network, "tag": "back"}
    server_id = create(cloud, on(network))
    with broken_step(cloud.conductors[0], "attach_interface", case[0], mode):
        attach(cloud, server_id, **wanted)
        cloud.recover()
    assert len(interfaces_of(cloud, server_id)) == (1 if mode == "fails" else 2)
    if given and mode == "fails":
        assert port(cloud, wanted["port_id"])["device_id"] == ""  # type: ignore[index]
    sound(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["detach_interface"]), ids=id_of)
def test_a_detachment_survives(cloud: Cloud, case: tuple[str, str]) -> None:
    step, mode = case
    network = a_network(cloud)
    server_id = create(cloud, on(network), on(network))
    port_id = interfaces_of(cloud, server_id)[1]["port_id"]
    with broken_step(cloud.conductors[0], "detach_interface", step, mode):
        detach(cloud, server_id, port_id)
        cloud.recover()
    left = len(interfaces_of(cloud, server_id))
    assert left == (2 if mode == "fails" else 1)
    if (step, mode) == ("settle", "fails"):  # the host let go of it; once more, and the port goes too
        detach(cloud, server_id, port_id)
    sound(cloud)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_conductor_killed_at_any_commit_of_an_attachment_loses_nothing(
    cloud: Cloud, number: int, after: bool
) -> None:
    network = a_network(cloud)
    server_id = create(cloud, on(network))
    cloud.conductors[0].db.arm(number, after)
    attach(cloud, server_id, net_id=network)
    assert not cloud.conductors[0].alive, "there are fewer commits than that"
    cloud.recover()
    assert len(interfaces_of(cloud, server_id)) == (1 if number == 0 and not after else 2)
    sound(cloud)


@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_hosts_may_miss_a_message_about_interfaces(cloud: Cloud, how: str) -> None:
    network = a_network(cloud)
    server_id = create(cloud, on(network))
    hook = {"lost": cloud.bus.lose, "repeated": cloud.bus.repeat, "answer lost": cloud.bus.lose_answer}[how]
    with hook(lambda envelope: envelope.namespace == "guest_interfaces", 1):
        attach(cloud, server_id, net_id=network)
        cloud.recover()
    first, second = interfaces_of(cloud, server_id)
    with hook(lambda envelope: envelope.namespace == "guest_interfaces", 1):
        detach(cloud, server_id, first["port_id"])
        cloud.recover()
    assert [one["port_id"] for one in interfaces_of(cloud, server_id)] == [second["port_id"]]
    sound(cloud)


def test_a_host_that_cannot_attach_gives_the_port_back(cloud: Cloud) -> None:
    network = a_network(cloud)
    server_id = create(cloud, on(network))
    cloud.fail_everywhere("attach_interface", "no PCI slot left", times=1)
    error = attach(cloud, server_id, net_id=network)
    assert "Failed to attach network adapter device" in str(error)
    assert "no PCI slot left" in str(error)
    assert len(interfaces_of(cloud, server_id)) == 1
    sound(cloud)


def test_a_build_that_fails_everywhere_gives_its_ports_back(cloud: Cloud) -> None:
    network = a_network(cloud)
    given = a_port(cloud, network)
    cloud.fail_everywhere("spawn", "no space left", times=None)
    server_id = create(cloud, on(network), on(port_id=given))
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "error"
    assert interfaces_of(cloud, server_id) == []
    assert port(cloud, given)["device_id"] == ""  # type: ignore[index]
    sound(cloud)


def test_a_build_that_goes_to_another_host_takes_its_ports_there(cloud: Cloud) -> None:
    network = a_network(cloud)
    given = a_port(cloud, network)
    cloud.driver("alpha").fail("spawn", "no space left")
    placed = set()
    for _ in range(3):  # whichever host is tried first, beta is where they end
        server_id = create(cloud, on(port_id=given), on(network))
        cloud.recover()
        placed.add(cloud.show(server_id)["host"])
        assert interfaces_of(cloud, server_id)[0]["port_id"] == given
        sound(cloud)
        cloud.delete(server_id)
    assert placed == {"beta"}
    sound(cloud)


def test_a_port_that_somebody_else_took_meanwhile_fails_the_build_with_that_reason(cloud: Cloud) -> None:
    network = a_network(cloud)
    given = a_port(cloud, network)
    with cloud.bus.lose(lambda e: e.method == "poke"):
        late = create(cloud, on(port_id=given))
    first = create(cloud, on(port_id=given))
    cloud.recover()
    assert cloud.show(first)["vm_state"] == "active"
    assert given in cloud.show(late)["fault"]["message"]
    sound(cloud)


def test_ports_go_where_their_server_goes(cloud: Cloud) -> None:
    network = a_network(cloud)
    server_id = create(cloud, on(network))
    before = interfaces_of(cloud, server_id)[0]
    for verb, state in (("stop", "DOWN"), ("start", "ACTIVE"), ("pause", "ACTIVE"), ("unpause", "ACTIVE"),
                        ("suspend", "DOWN"), ("resume", "ACTIVE")):  # fmt: skip
        cloud.act(server_id, verb)
        assert interfaces_of(cloud, server_id)[0]["port_state"] == state, verb
        sound(cloud)
    host = cloud.hosts[cloud.show(server_id)["host"]]
    host.driver.power_off(server_id)
    host.manager.sync.run(system())
    assert interfaces_of(cloud, server_id)[0]["port_state"] == "DOWN"
    after = interfaces_of(cloud, server_id)[0]
    assert (after["port_id"], after["fixed_ips"]) == (before["port_id"], before["fixed_ips"])


def test_a_server_deleted_while_it_is_built_leaves_no_port(cloud: Cloud) -> None:
    network = a_network(cloud)
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        server_id = create(cloud, on(network))
        cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    sound(cloud)


def test_ports_survive_what_moves_or_rebuilds_a_server(tmp_path: Path) -> None:
    with ServedCloud(tmp_path, hosts=("alpha", "beta"), overrides=EMBEDDED) as cloud:
        network = a_network(cloud)
        given = a_port(cloud, network)
        cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
        server_id = create(cloud, on(network, tag="front"), on(port_id=given))
        before = interfaces_of(cloud, server_id)

        def same() -> None:
            sound(cloud)
            after = interfaces_of(cloud, server_id)
            assert [(p["port_id"], p["fixed_ips"], p["tag"]) for p in after] == [
                (p["port_id"], p["fixed_ips"], p["tag"]) for p in before
            ]

        cloud.act(server_id, "resize", flavor_id="big")
        same()
        cloud.act(server_id, "revert_resize")
        same()
        cloud.act(server_id, "resize", flavor_id="big")
        cloud.act(server_id, "confirm_resize")
        same()
        cloud.act(server_id, "shelve")
        same()
        cloud.act(server_id, "shelveOffload")
        assert {port["host"] for port in interfaces_of(cloud, server_id)} == {""}
        same()
        cloud.fail_everywhere("spawn", "no space left", times=None)
        cloud.act(server_id, "unshelve")
        assert cloud.show(server_id)["vm_state"] == "shelved_offloaded"
        same()
        for name in cloud.host_names:
            cloud.driver(name).heal()
        cloud.act(server_id, "unshelve")
        assert {port["port_state"] for port in interfaces_of(cloud, server_id)} == {"ACTIVE"}
        same()
        cloud.delete(server_id)
        sound(cloud)
        assert port(cloud, given)["device_id"] == ""  # type: ignore[index]
