"""What Open vSwitch carries between hosts, and what becomes of it when the switch, its database or the operator's mind
changes. The rest is where it is for Linux bridges, in `test_on_host.py` and `test_routers.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.processes import wait_for
from novalite.networks.on_host import switching
from novalite.networks.on_host.commands import NetworkCommandFailed
from novalite.networks.on_host.host import obstacle
from novalite.networks.on_host.plan import Host
from novalite.objects.host_networks import HostNetworks, LocalPort
from tests.networks.builders import (
    NET,
    OUTSIDE,
    SECOND,
    a_group,
    a_network,
    a_peer,
    a_port,
    an_outside,
    mac,
    wanted,
)
from tests.networks.frames import ALL, arp
from tests.networks.worlds import Guest, World

USED = Host("192.0.2.1", switch="openvswitch", datapath="netdev")
pytestmark = pytest.mark.skipif(obstacle(USED) is not None, reason=f"no networks can be made: {obstacle(USED)}")
NOTHING = HostNetworks(host="here")
GUESTS = {"web": ("10.9.0.5", "10.9.0.6", "10.9.0.7")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two machines with a wire."""
    with World(tmp_path, 2, *["openvswitch"] * 2) as made:
        for machine in made.machines:
            machine.wire(made.fabric)
        yield made


def state(world: World, number: int, machine: int, **more: object) -> HostNetworks:
    """That port on a machine, and the next ones on the others."""
    others = [one for one in range(len(world.machines)) if one != machine]
    peers = tuple(a_peer(world.machines[one].address, 5 + one) for one in others)
    return wanted(a_port(number), **{"networks": (a_network(peers=peers),), "members": GUESTS} | more)


def joined(world: World) -> list[Guest]:
    """A guest on every machine, on one VXLAN network."""
    for number, machine in enumerate(world.machines):
        machine.apply(state(world, 5 + number, number))
        world.guest(number, a_port(5 + number)).address()
    return world.guests


def test_three_hosts_have_tunnels_to_each_other_and_no_loop(tmp_path):
    with World(tmp_path, 3, *["openvswitch"] * 3) as world:
        one, other, third = joined(world)
        assert other.pings(one.ip)
        assert third.pings(one.ip)
        asked = arp(mac(5), mac(5), "10.9.0.5", "10.9.0.99")
        assert asked[:6].hex(":") == ALL
        for guest in (other, third):
            assert guest.hears(lambda: one.send(asked), 0.5).count(asked) == 1


def test_what_is_carried_survives_its_switch_and_is_made_again_when_its_database_is_lost(world):
    one, other = joined(world)
    machine = world.machines[0]
    assert one.pings(other.ip)
    machine.ovs.kill_switch()
    assert not one.pings(other.ip)
    machine.ovs.start()
    wait_for("frames cross again, and nobody did a thing", lambda: one.pings(other.ip), 20)
    # no answer: the networks are not touched, but what a rule no longer allows ends
    machine.ovs.forget()
    with pytest.raises(NetworkCommandFailed, match=r"ovs-vsctl: .*connection failed"):
        machine.apply(state(world, 5, 0, groups=(a_group(),)))
    machine.ovs.start()
    machine.ovs.take("fab0", f"{machine.address}/24")
    machine.apply(state(world, 5, 0, groups=(a_group(),)))
    wait_for("it reaches the other", lambda: one.pings(other.ip), 10)
    assert not other.pings(one.ip)
    # as after a reboot: the database is there, and not one device
    machine.kill_daemon()
    machine.ovs.end()
    for name in machine.links() - {"lo", "fab0", "wire", one.tap}:
        machine.run("ip", "link", "del", name, check=False)
    machine.ovs.start()
    machine.ovs.take("fab0", f"{machine.address}/24")
    machine.apply(state(world, 5, 0))
    machine.run("ip", "link", "set", one.tap, "master", "nlb" + NET[:11])

    def reached() -> bool:
        machine.apply(state(world, 5, 0), thorough=True)  # as the daemon does again and again
        return other.pings(one.ip)

    wait_for("the other reaches it", reached, 30)


def test_tags_keep_networks_apart_on_one_wire_and_the_operators_own_bridge_will_do(world):
    first, second = world.machines
    second.ovs.tell("add-br", "br-own", "--", "set", "Bridge", "br-own", "datapath_type=netdev",
                    "--", "add-port", "br-own", "wire")  # fmt: skip
    second.run("ip", "link", "set", "wire", "up")
    second.settings["interfaces"] = {"office": "br-own"}
    third = "d3c0ffee-0000-4000-8000-000000000001"
    kinds = {NET: ("vlan", 7), SECOND: ("vlan", 8), third: ("flat", None)}
    networks = [a_network(id=net, type=kind, segmentation_id=tag, physical_network="office", mtu=1400)
                for net, (kind, tag) in kinds.items()]  # fmt: skip
    pairs = [(_on(5 + 16 * n, 5, net), _on(6 + 16 * n, 6, net)) for n, net in enumerate(kinds)]
    for number, machine in enumerate((first, second)):
        made = machine.apply(wanted(*(pair[number] for pair in pairs), networks=tuple(networks), members=GUESTS))
        assert made.refused == {}
    guests = [(world.guest(0, here), world.guest(1, there)) for here, there in pairs]
    for here, there in guests:
        assert here.lease()["ip"] == "10.9.0.5"
        there.address()
        assert here.pings("10.9.0.6")
    # the same addresses on each: who asks on one of them is heard on that one only
    asked = [(here, arp(here.port.mac, here.port.mac, "10.9.0.5", "10.9.0.77")) for here, _ in guests]
    for here, there in guests:
        heard = there.hears(lambda: [one.send(frame) for one, frame in asked], 0.3)
        assert [one for one, frame in asked if frame in heard] == [here]
    for machine, taps in zip(world.machines, zip(*guests, strict=True), strict=True):
        for guest in taps:
            machine.run("ip", "link", "del", guest.tap)
        machine.apply(NOTHING)
    first.comes_down_to({"lo", "fab0", "wire"})
    second.comes_down_to({"lo", "fab0", "wire", "br-own"})
    assert first.ovs.tell("list-br").split() == ["br-phy"]
    assert second.ovs.tell("list-ports", "br-own").split() == ["wire"]


def _on(number: int, last: int, network: str) -> LocalPort:
    return a_port(number, network_id=network, addresses=a_port(last).addresses)


def test_a_host_has_another_switch_and_its_guests_go_on(world):
    one, other = joined(world)
    machine = world.machines[0]
    for kind in ("linuxbridge", "openvswitch", "linuxbridge"):
        assert one.pings(other.ip)
        machine.kill_daemon()
        machine.settings["switch"] = kind
        machine.apply(state(world, 5, 0))
        wait_for(f"by {kind}", lambda: one.pings(other.ip), 10)
    assert machine.ovs.tell("list-br").split() == ["br-phy"]
    assert not [name for name in machine.links() if name.startswith(("nls", "nlo", "nlq"))]


def test_a_network_that_the_switch_does_not_take_harms_no_other_and_is_had_when_it_does(tmp_path):
    with World(tmp_path, 1, "openvswitch") as world:
        (machine,) = world.machines
        machine.ovs.tell("add-br", "br-own", "--", "set", "Bridge", "br-own", "datapath_type=netdev",
                         "--", "add-port", "br-own", "own", "--", "set", "Interface", "own", "type=vxlan",
                         "options:remote_ip=10.77.0.2", f"options:local_ip={machine.address}", "options:key=78",
                         )  # fmt: skip
        peers = (a_peer("10.77.0.2", 9),)
        machine.settings["interfaces"] = {"office": "eth7"}
        networks = (a_network(peers=peers), a_network(id=SECOND, segmentation_id=78, peers=peers), an_outside())
        ports = a_port(5), a_port(6, network_id=SECOND), a_port(7, network_id=OUTSIDE)
        made = machine.apply(wanted(*ports, networks=networks))
        assert set(made.refused) == {SECOND, OUTSIDE}
        assert made.refused[SECOND].endswith("to ofproto (File exists)")
        assert made.refused[OUTSIDE] == "could not open network device eth7 (No such device)"
        assert set(made.ports) == {ports[0].id}
        assert world.guest(0, ports[0]).lease()["ip"] == "10.9.0.5"
        machine.ovs.tell("del-br", "br-own")
        machine.run("ip", "link", "add", "eth7", "type", "veth", "peer", "name", "far7")
        assert machine.apply(wanted(*ports, networks=networks)).refused == {}


FAR = "nlq" + NET[:11]


def _said(fault: object, number: object, owner: str = NET) -> str:
    """What the database says of one network with a port whose state is given."""
    none = ["set", []]
    ours = ["map", [["novalite", owner]] if owner else []]
    switch, ids = "nls" + NET[:11], [["uuid", "1"], ["uuid", "2"]]
    tables = [
        (["name", "datapath_type", "external_ids", "ports"], [[switch, "netdev", ours, ["set", ids]]]),
        (["_uuid", "name", "tag", "vlan_mode", "protected", "external_ids"],
         [[ids[0], switch, none, none, False, ["map", []]], [ids[1], FAR, none, none, False, ours]]),
        (["name", "type", "options", "error", "ofport"],
         [[switch, "internal", ["map", []], none, 65534], [FAR, "", ["map", []], fault, number]]),
    ]  # fmt: skip
    return "".join(json.dumps({"headings": head, "data": rows}) + "\n" for head, rows in tables)


@pytest.mark.parametrize(
    ("said", "commands", "fault"),
    [
        (_said(["set", []], 1), [], None),
        (_said("no such thing", -1), ["del-port", "add-port"], "no such thing"),
        (_said(["set", []], ["set", []]), ["del-port", "add-port"], switching.SILENT),
        (_said(["set", []], 1, owner=""), ["add-br", "set", "del-port", "add-port"], None),
    ],
)
def test_what_works_is_left_alone_and_what_does_not_is_said_and_made_anew(said, commands, fault):
    present = switching.read(said)
    (switch,) = switching.switches([a_network()], "192.0.2.1", 4789, {})
    steps = switching.steps([switch], present, "netdev")
    assert [next(word for word in step if not word.startswith("--")) for step in steps] == commands
    assert switching.faults([switch], present) == ({NET: fault} if fault else {})
    assert switching.steps([], present, "netdev") == ([["--if-exists", "del-br", switch.name]] if present.ours else [])
