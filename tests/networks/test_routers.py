"""Routers and floating addresses as a host makes them, seen by guests and by a machine outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from deploy.dev.processes import wait_for
from novalite.networks.on_host import names
from novalite.networks.on_host.host import obstacle
from novalite.objects.host_networks import HostNetworks, LocalAddress
from tests.networks.builders import (
    NET,
    OTHER,
    OUTSIDE,
    PING,
    ROUTER,
    SECOND,
    a_group,
    a_leg,
    a_network,
    a_peer,
    a_port,
    a_router,
    an_outside,
    routed,
    wanted,
)
from tests.networks.worlds import Guest, Outside, World

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}")
NOTHING = HostNetworks(host="here")
FLOATING = ("203.0.113.20", "10.9.0.5")


BOTH = pytest.mark.parametrize("world", ["linuxbridge", "openvswitch"], indirect=True)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Two machines with a wire to the outside, where BOTH says so with one switch and with the other."""
    with World(tmp_path, 2, *[getattr(request, "param", "linuxbridge")] * 2) as made:
        for machine in made.machines:
            machine.wire(made.fabric)
        yield made


@pytest.fixture
def outside(world: World) -> Iterator[Outside]:
    """Beyond the wire."""
    made = Outside(world.fabric)
    yield made
    made.close()


def a_guest(world: World, number: int = 5, machine: int = 0) -> Guest:
    """With its address and a way out."""
    guest = world.guest(machine, a_port(number))
    guest.address()
    guest.run("ip", "route", "replace", "default", "via", "10.9.0.1")
    return guest


@BOTH
def test_guests_reach_the_outside_as_their_router_and_are_reached_by_their_floating_address(world, outside):
    machine = world.machines[0]
    made = machine.apply(routed(a_port(5), a_port(6)))
    assert [(one.id, one.whole, len(one.port_ids)) for one in made.carried] == [(ROUTER, True, 2)]
    guest, other = a_guest(world), a_guest(world, 6)
    assert guest.pings("10.9.0.1")
    assert guest.pings("203.0.113.1"), "through the router, as the router"
    assert outside.pings("203.0.113.10")
    # who is outside does not address the inside itself, though it knows the way
    outside.run("ip", "route", "add", "10.9.0.0/24", "via", "203.0.113.10")
    assert not outside.pings(guest.ip)
    made = machine.apply(routed(a_port(5), a_port(6), router=a_router(floating=[FLOATING])))
    assert [one.address for one in made.carried[0].floating] == ["203.0.113.20"]
    assert outside.pings("203.0.113.20")
    assert _source(outside, guest) == "203.0.113.20"
    assert _source(outside, other) == "203.0.113.10"
    assert other.pings("203.0.113.20"), "from inside too"
    assert guest.pings("203.0.113.20"), "and by itself"
    # the rules of its groups hold for it, with the addresses that are outside
    machine.apply(routed(a_port(5), a_port(6), router=a_router(floating=[FLOATING]), groups=(a_group(),)))
    assert not outside.pings("203.0.113.20")
    assert guest.pings("203.0.113.1")


def _source(outside: Outside, guest: Guest) -> str:
    """The address under which a guest is seen outside."""
    heard = outside.hears(lambda: guest.run("busybox", "ping", "-c1", "-W1", "203.0.113.1", check=False), 0.1)
    asked = [frame for frame in heard if frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 8]
    return str(IPv4Address(asked[-1][26:30])) if asked else ""


def test_a_floating_address_that_is_given_to_another_ends_what_was_begun_with_it(world, outside):
    machine, ports = world.machines[0], (a_port(5), a_port(6))
    machine.apply(routed(*ports, router=a_router(floating=[FLOATING])))
    guest, other = a_guest(world), a_guest(world, 6)
    assert outside.pings("203.0.113.20")
    ping = outside.popen("busybox", "ping", "-i", "0.2", "203.0.113.20")
    out = guest.popen("busybox", "ping", "-i", "0.2", "203.0.113.1")
    for one in (ping, out):
        assert one.stdout is not None
        [one.stdout.readline() for _ in range(3)]
    machine.apply(routed(*ports, router=a_router(floating=[("203.0.113.20", "10.9.0.6")])))
    own = bytes.fromhex(guest.port.mac.replace(":", ""))
    pings = [frame for frame in guest.hears(lambda: None) if frame[12:14] == b"\x08\x00" and frame[:6] == own]
    assert pings == [], "neither what is sent to the address nor answers to what was sent from it"
    for one in (ping, out):
        one.terminate()
        one.communicate(timeout=10)
    assert outside.pings("203.0.113.20")
    assert _source(outside, other) == "203.0.113.20"
    machine.apply(routed(*ports))
    assert not outside.pings("203.0.113.20")
    assert guest.pings("203.0.113.1")


def test_without_translation_and_with_routes_of_its_own(world, outside):
    machine = world.machines[0]
    far = a_router(a_leg(1), a_leg(2, SECOND, "sub-2", "10.8.0.1"), snat=False,
                   routes=(("198.51.100.0/24", "203.0.113.1"), ("192.0.2.0/24", "10.9.0.6")))  # fmt: skip
    second = a_port(7, network_id=SECOND, addresses=(LocalAddress(address="10.8.0.7", subnet_id="sub-2"),))
    networks = (a_network(), a_network(id=SECOND, segmentation_id=78, subnets=(OTHER,)), an_outside())
    state = routed(a_port(5), a_port(6), second, router=far, networks=networks)
    machine.apply(state)
    guest, neighbour = a_guest(world), world.guest(0, second)
    neighbour.address("10.8.0.7")
    neighbour.run("ip", "route", "add", "default", "via", "10.8.0.1")
    assert guest.pings("10.8.0.7"), "two networks of one router are joined"
    outside.run("ip", "route", "add", "10.0.0.0/8", "via", "203.0.113.10")
    outside.run("ip", "addr", "add", "198.51.100.1/32", "dev", "lo")
    assert outside.pings(guest.ip)
    assert _source(outside, guest) == "10.9.0.5"
    assert guest.pings("198.51.100.1")
    machine.kill_daemon()
    machine.apply(state.model_copy(update={"routers": (far.model_copy(update={"routes": ()}),)}))
    (holder,) = machine.routers()
    routes = machine.run("nsenter", f"--net=/proc/{holder}/ns/net", "ip", "route").stdout
    assert "198.51.100.0" not in routes
    assert "default via 203.0.113.1" in routes
    # a leg is taken away
    machine.apply(routed(a_port(5), second, router=a_router(snat=False), networks=networks))
    assert not neighbour.pings("10.9.0.5")
    assert not neighbour.pings("10.8.0.1")
    assert guest.pings("203.0.113.1")


@BOTH
def test_a_restart_of_the_daemon_loses_no_packet_and_a_reboot_makes_all_again(world, outside):
    machine, state = world.machines[0], routed(a_port(5), router=a_router(floating=[FLOATING]))
    machine.apply(state)
    a_guest(world)
    (holder,) = machine.routers()
    assert outside.pings("203.0.113.20")
    ping = outside.popen("busybox", "ping", "-i", "0.05", "-c", "60", "-W", "1", "203.0.113.20")
    for _ in range(2):
        machine.kill_daemon()
        machine.apply(state)
        machine.apply(state, thorough=True)
    said = ping.communicate(timeout=20)[0]
    assert "60 packets transmitted, 60 packets received" in said
    assert machine.routers() == [holder]
    os.killpg(holder, 9)  # as after a reboot: the namespace is gone with all that was in it
    machine.apply(state)
    assert machine.routers() != [holder]
    wait_for("the router is back", lambda: outside.pings("203.0.113.20"), 10)


@BOTH
def test_nothing_is_left_of_a_router_that_is_deleted(world, outside):
    machine = world.machines[0]
    machine.apply(routed(router=a_router(floating=[FLOATING])))
    assert outside.pings("203.0.113.10")
    assert machine.dhcp_servers() == [], "no guest is here to be served"
    machine.apply(NOTHING)
    machine.comes_down_to({"lo", "fab0", "wire"})
    assert machine.routers() == []
    assert list((machine.folder / "dhcp-routers").iterdir()) == []
    assert not outside.pings("203.0.113.10")


@BOTH
def test_a_router_that_moves_takes_its_addresses_along(world, outside):
    here, there = world.machines
    floating = a_router(floating=[FLOATING])
    inside = routed(a_port(5), router=floating, networks=(a_network(peers=(a_peer(there.address),)), an_outside()))
    here.apply(inside)
    guest = a_guest(world)
    assert outside.pings("203.0.113.20")
    assert outside.mac_of("203.0.113.20") == floating.legs[-1].mac
    # to the other host, where its guest is not; and its plug outside is another one
    legs = (floating.legs[0], floating.legs[1].model_copy(update={"mac": "fa:16:3e:00:01:99"}))
    moved = floating.model_copy(update={"legs": legs})
    peer = a_peer(there.address).model_copy(update={"ports": ()})
    here.apply(wanted(a_port(5), networks=(a_network(peers=(peer,)),)))
    there.apply(wanted(networks=(a_network(peers=(a_peer(here.address, 5),)), an_outside()), routers=(moved,)))
    wait_for("everybody knows", lambda: outside.mac_of("203.0.113.20") == "fa:16:3e:00:01:99", 5)
    # a packet may be lost while bridges learn the way anew
    wait_for("its guest is reached", lambda: outside.pings("203.0.113.20"), 5)
    wait_for("its guest is seen as it was", lambda: _source(outside, guest) == "203.0.113.20", 5)
    assert here.routers() == []


def test_a_host_whose_daemon_is_dead_lets_go_of_its_routers_and_has_them_again_with_the_next(world, outside):
    machine, router = world.machines[0], a_router(floating=[FLOATING], let_go_after=3)
    machine.apply(routed(a_port(5), router=router))
    a_guest(world)
    machine.apply(routed(a_port(5), router=router))
    while_it_lives = outside.run("busybox", "ping", "-i", "0.2", "-c", "25", "203.0.113.20")
    assert "25 packets received" in while_it_lives.stdout
    machine.kill_daemon()
    wait_for("the router is let go", lambda: not outside.pings("203.0.113.20"), 20)
    wait_for("nobody holds it", lambda: not machine.routers(), 20)
    machine.apply(routed(a_port(5), router=router))
    wait_for("the router is back", lambda: outside.pings("203.0.113.20"), 10)


def test_two_routers_of_two_projects_keep_their_insides_apart(world, outside):
    """The same addresses inside, one network outside: what is sent across ends at the other router."""
    machine = world.machines[0]
    theirs = a_router(a_leg(3, SECOND), id="50070000-0000-4000-8000-000000000003", snat=False)
    outer = a_leg(0xE1, OUTSIDE, "sub-out", "203.0.113.11")
    theirs = theirs.model_copy(update={"legs": (theirs.legs[0], outer), "gateway": outer.port_id})
    second = a_port(7, network_id=SECOND, addresses=(LocalAddress(address="10.9.0.7", subnet_id="sub-1"),))
    networks = (a_network(), a_network(id=SECOND, segmentation_id=78), an_outside())
    machine.apply(routed(a_port(5), second, networks=networks, routers=(a_router(), theirs),
                         groups=(a_group(PING),)))  # fmt: skip
    guest, victim = a_guest(world), world.guest(0, second)
    victim.address("10.9.0.7")
    victim.run("ip", "route", "add", "default", "via", "10.9.0.1")
    assert guest.pings("203.0.113.11"), "the router itself answers"
    assert not victim.pings("203.0.113.10"), "what it sends is from an address that the other has inside"
    assert not guest.pings("10.9.0.7")
    assert not victim.pings("10.9.0.5")
    # one who is outside sends into both by force
    for router in ("203.0.113.10", "203.0.113.11"):
        outside.run("ip", "route", "replace", "10.9.0.0/24", "via", router)
        assert outside.pings("10.9.0.7") is (router == "203.0.113.11")
    assert names.bridge(OUTSIDE) in machine.links()
    assert names.bridge(NET) in machine.links()
