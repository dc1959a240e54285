"""IPv6 as guests see it: what a router says of itself, addresses self-made or by DHCP, groups, and what is forged."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.processes import wait_for
from novalite.networks.on_host.host import obstacle
from novalite.objects.host_networks import GroupRule, HostNetworks, LocalAddress, Subnet
from tests.networks import dhcpv6
from tests.networks.builders import (
    OUTER,
    a_group,
    a_leg,
    a_network,
    a_port,
    a_router,
    an_outside,
    mac,
    routed,
    wanted,
)
from tests.networks.frames import ethernet
from tests.networks.worlds import Guest, Outside, World

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}")
OUTER6 = Subnet(id="sub-out6", cidr="2001:db8:f::/64", ip_version=6, gateway="2001:db8:f::1", dhcp=False)
PING6 = GroupRule(direction="ingress", ip_version=6, protocol="ipv6-icmp", port_min=128, port_max=0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One machine with a wire."""
    with World(tmp_path) as made:
        made.machines[0].wire(made.fabric)
        yield made


def a_subnet(mode: str, **more: Any) -> Subnet:
    """fd00:9::/64, in that mode of both kinds."""
    return Subnet(id="sub-6", cidr="fd00:9::/64", ip_version=6, gateway="fd00:9::1", dns=("fd00:9::53",),
                  ipv6_ra_mode=mode, ipv6_address_mode=mode, **more)  # fmt: skip


def self_made(number: int) -> str:
    """What a guest makes of what it hears and of its card."""
    return f"fd00:9::f816:3eff:fe00:{number:x}"


def a_port6(number: int, address: str, **more: Any):
    return a_port(number, addresses=(LocalAddress(address=address, subnet_id="sub-6"),), **more)


def joined(mode: str, *ports, rules=(PING6,)) -> HostNetworks:
    """Those ports on a network of that mode, which a router joins to the outside."""
    gateway = a_leg(0xE0, "e0c0ffee-0000-4000-8000-000000000001", "sub-out6", "2001:db8:f::10")
    router = a_router(a_leg(1, ports[0].network_id, "sub-6", "fd00:9::1"))
    router = router.model_copy(update={"legs": (router.legs[0], gateway)})
    networks = (a_network(subnets=(a_subnet(mode),)), an_outside(subnets=(OUTER, OUTER6)))
    return routed(*ports, router=router, networks=networks, groups=(a_group(*rules),))


def addresses(guest: Guest) -> set[str]:
    """Global ones that may be used."""
    shown = json.loads(guest.run("ip", "-6", "-j", "addr", "show", "dev", "eth0", "scope", "global").stdout)
    found = [one for link in shown for one in link.get("addr_info", ()) if one]
    return {one["local"] for one in found if not one.get("tentative")}


def asks(guest: Guest, *mode: str) -> dict[str, Any]:
    """What DHCPv6 gives it."""
    said: dict[str, Any] = json.loads(guest.run(sys.executable, dhcpv6.__file__, "eth0", guest.port.mac, *mode).stdout)
    return said


def test_guests_hear_their_router_make_addresses_and_reach_the_outside(world):
    ports = [a_port6(number, self_made(number)) for number in (5, 6)]
    machine = world.machines[0]
    machine.apply(joined("slaac", *ports))
    outside = Outside(world.fabric)
    try:
        guest, neighbour = (world.guest(0, port) for port in ports)
        outside.run("ip", "-6", "route", "add", "fd00:9::/64", "via", "2001:db8:f::10")
        for one, number in ((guest, 5), (neighbour, 6)):
            wait_for("its address", lambda one=one, number=number: self_made(number) in addresses(one), 15)
        route = guest.run("ip", "-6", "route", "show", "default").stdout
        assert "via fe80::f816:3eff:fe00:101 " in route
        assert guest.pings("2001:db8:f::1")
        assert neighbour.pings(self_made(5))
        assert outside.pings(self_made(5))
        assert asks(guest) == {}, "nobody gives out addresses"
        # groups hold for IPv6
        machine.apply(joined("slaac", *ports, rules=()))
        assert not outside.pings(self_made(5))
        assert not neighbour.pings(self_made(5))
        assert guest.pings("2001:db8:f::1")
        # who pretends to be reached inside is not heard
        outside.run("ip", "-6", "addr", "add", "fd00:9::77/128", "dev", "lo", "nodad")
        machine.apply(joined("slaac", *ports))
        heard = guest.hears(lambda: outside.run("busybox", "ping", "-c1", "-W1", "-I", "fd00:9::77", self_made(5),
                                                check=False), 0.2)  # fmt: skip
        assert not [frame for frame in heard if IPv6Address("fd00:9::77").packed in frame]
    finally:
        outside.close()


@pytest.mark.parametrize("mode", ["dhcpv6-stateful", "dhcpv6-stateless"])
def test_guests_ask_for_what_their_router_tells_them_to_ask_for(world, mode):
    stateful = mode == "dhcpv6-stateful"
    port = a_port6(5, "fd00:9::5" if stateful else self_made(5))
    world.machines[0].apply(joined(mode, port))
    guest = world.guest(0, port)
    hears = lambda: guest.run("ip", "-6", "route", "show", "default").stdout  # noqa: E731
    heard = guest.hears(lambda: wait_for("a router", hears, 15))
    told = [frame for frame in heard if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 134]
    managed, other = bool(told[0][59] & 0x80), bool(told[0][59] & 0x40)
    assert (managed, other) == (stateful, True)
    said: dict[str, Any] = {}
    wait_for("an answer", lambda: said.update(asks(guest, *([] if stateful else [mode]))) or said, 15)
    assert said["dns"] == ["fd00:9::53"]
    assert said["address"] == ("fd00:9::5" if stateful else None)
    assert said["server"].startswith("fe80::"), "not the router, which is elsewhere as often as not"
    assert said["server"] != "fe80::f816:3eff:fe00:101"
    if not stateful:
        wait_for("its address", lambda: self_made(5) in addresses(guest), 15)


BODY = bytes([134, 0, 0xAB, 0xCD, 64, 0, 7, 8]) + bytes(8)
"""A router advertisement; its checksum is for nobody."""


def advertisements(sender: str) -> dict[str, list[bytes]]:
    """Whole, behind a header of nothing but padding, and in two fragments of which the first does not say what it is
    (RFC 7113)."""
    own = bytes.fromhex(f"fe80000000000000f8163efffe0000{int(sender[-2:], 16):02x}")
    to = bytes.fromhex("ff020000000000000000000000000001")

    def packet(kind: int, payload: bytes) -> bytes:
        head = bytes.fromhex("60000000") + len(payload).to_bytes(2, "big") + bytes([kind, 255])
        return ethernet("33:33:00:00:00:01", sender, 0x86DD, head + own + to + payload)

    padding = bytes([58, 0, 1, 4, 0, 0, 0, 0])
    first = bytes([60, 0, 0, 1]) + b"\0\0\0\x07" + padding
    second = bytes([60, 0]) + len(padding).to_bytes(2, "big") + b"\0\0\0\x07" + BODY
    return {"whole": [packet(58, BODY)], "behind": [packet(60, padding + BODY)],
            "split": [packet(44, first), packet(44, second)]}  # fmt: skip


def test_a_guest_is_no_router_not_even_in_fragments(world):
    ports = [a_port6(number, self_made(number)) for number in (5, 6)]
    everything = a_group(GroupRule(direction="ingress", ip_version=6))
    state = wanted(*ports, networks=(a_network(subnets=(a_subnet("slaac"),)),), groups=(everything,))
    machine = world.machines[0]
    machine.apply(state)
    guest, other = (world.guest(0, port) for port in ports)

    def comes_through() -> list[str]:
        found = []
        for how, frames in advertisements(mac(5)).items():
            heard = other.hears(partial(guest.send, *frames), 0.3)
            found += [how] if any(BODY in frame for frame in heard) else []
        return found

    assert comes_through() == []
    unguarded = tuple(port.model_copy(update={"port_security": False}) for port in ports)
    machine.apply(state.model_copy(update={"ports": unguarded}))
    assert comes_through() == ["whole", "behind"], "the kernel puts no such fragments together (RFC 8200, 4.5)"
