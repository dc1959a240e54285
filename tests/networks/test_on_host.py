"""What a host makes of wanted states, seen by guests that are network namespaces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.networks.on_host import names
from novalite.networks.on_host.groups import PROTOCOLS
from novalite.networks.on_host.host import obstacle
from novalite.objects.host_networks import AddressPair, GroupRule, HostNetworks
from tests.networks.builders import NET, PING, SUBNET, a_group, a_network, a_peer, a_port, mac, wanted
from tests.networks.frames import ALL, arp, ethernet, udp
from tests.networks.worlds import World

pytestmark = pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}")
NOTHING = HostNetworks(host="here")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One machine."""
    with World(tmp_path) as made:
        yield made


def two_guests(world: World):
    ports = a_port(5), a_port(6)
    world.machines[0].apply(wanted(*ports))
    one, other = world.guest(0, ports[0]), world.guest(0, ports[1])
    one.address()
    other.address()
    return one, other


def test_a_guest_is_given_its_address_by_dhcp_with_routes_and_all(world):
    port = a_port(5)
    world.machines[0].apply(wanted(port))
    guest = world.guest(0, port)
    lease = guest.lease()
    assert lease["ip"] == "10.9.0.5"
    assert lease["router"] == "10.9.0.1"
    assert lease["dns"] == "10.9.0.2"
    assert lease["mtu"] == "1450"
    assert lease["hostname"] == "guest5"
    assert lease["staticroutes"] == "169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.9.0.1"
    guest.run("ip", "route", "add", "169.254.169.254", "dev", "eth0")
    assert guest.pings("169.254.169.254")


def test_a_guest_without_a_port_of_ours_gets_nothing_and_reaches_nobody(world):
    known, stranger = a_port(5), a_port(6)
    machine = world.machines[0]
    machine.apply(wanted(known))
    guest, strange = world.guest(0, known), world.guest(0, stranger)
    guest.address()
    strange.address()
    assert strange.lease(check=False) == {}
    assert not strange.pings(guest.ip)
    machine.apply(wanted(known, stranger))
    assert strange.lease()["ip"] == "10.9.0.6"
    assert strange.pings(guest.ip)


def test_what_a_guest_forges_does_not_get_through(world):
    one, other = two_guests(world)
    assert one.pings(other.ip)
    me, you = mac(5), mac(6)
    honest = udp(you, me, "10.9.0.5", "10.9.0.6", (7, 7), b"honest")
    forged = {
        "mac": udp(you, mac(9), "10.9.0.5", "10.9.0.6", (7, 7), b"forged"),
        "ip": udp(you, me, "10.9.0.9", "10.9.0.6", (7, 7), b"forged"),
        "arp ip": arp(me, me, "10.9.0.1", "10.9.0.6"),
        "arp mac": arp(me, mac(9), "10.9.0.5", "10.9.0.6"),
        "dhcp server": udp(you, me, "10.9.0.5", "10.9.0.6", (67, 68), b"forged"),
        "router": _advertisement(me, 134),
        "neighbour": _advertisement(me, 136, target="fe800000000000000000000000000001"),
        "vlan": ethernet(ALL, me, 0x8100, bytes.fromhex("00050800") + bytes(40)),
        "unknown": ethernet(ALL, me, 0x88B5, bytes(46)),
    }
    open_to_all = a_group(GroupRule(direction="ingress"), GroupRule(direction="ingress", ip_version=6))
    world.machines[0].apply(wanted(one.port, other.port, groups=(open_to_all,)))
    heard = other.hears(lambda: one.send(*forged.values(), honest))
    assert honest in heard
    through = [what for what, frame in forged.items() if frame in heard]
    assert through == []
    unguarded = [port.model_copy(update={"port_security": False}) for port in (one.port, other.port)]
    world.machines[0].apply(wanted(*unguarded))
    heard = other.hears(lambda: one.send(*forged.values()))
    assert [what for what, frame in forged.items() if frame not in heard] == ["vlan"]  # its tag is taken off


def _advertisement(sender: str, kind: int, target: str = "") -> bytes:
    """An ICMPv6 message from the sender's own link-local address to all nodes."""
    own = bytes.fromhex("fe80000000000000f8163efffe000005")
    body = bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + bytes.fromhex(target or "00" * 8)
    head = bytes.fromhex("60000000") + len(body).to_bytes(2) + bytes([58, 255])
    to = bytes.fromhex("ff020000000000000000000000000001")
    return ethernet("33:33:00:00:00:01", sender, 0x86DD, head + own + to + body)


def test_allowed_pairs_may_be_used_and_nothing_near_them(world):
    pair = AddressPair(ip="10.9.0.64/28", mac="fa:16:3e:aa:00:01")
    one, other = a_port(5, allowed_pairs=(pair, AddressPair(ip="10.9.0.200"))), a_port(6)
    everything = a_group(GroupRule(direction="ingress"))
    world.machines[0].apply(wanted(one, other, groups=(everything,)))
    guest, listener = world.guest(0, one), world.guest(0, other)
    fine = [
        udp(mac(6), mac(5), "10.9.0.200", "10.9.0.6", (7, 7), b"pair"),
        udp(mac(6), "fa:16:3e:aa:00:01", "10.9.0.70", "10.9.0.6", (7, 7), b"pair"),
        arp("fa:16:3e:aa:00:01", "fa:16:3e:aa:00:01", "10.9.0.79", "10.9.0.6"),
    ]
    not_fine = [
        udp(mac(6), mac(5), "10.9.0.70", "10.9.0.6", (7, 7), b"mixed"),
        udp(mac(6), "fa:16:3e:aa:00:01", "10.9.0.80", "10.9.0.6", (7, 7), b"beside"),
        udp(mac(6), "fa:16:3e:aa:00:01", "10.9.0.5", "10.9.0.6", (7, 7), b"mixed"),
    ]
    heard = listener.hears(lambda: guest.send(*not_fine, *fine))
    assert [frame in heard for frame in fine] == [True] * 3
    assert [frame in heard for frame in not_fine] == [False] * 3


def test_nothing_comes_in_unless_a_rule_says_so_and_answers_always_do(world):
    one, other = two_guests(world)
    machine, ports = world.machines[0], (one.port, other.port)
    assert one.pings(other.ip)
    machine.apply(wanted(*ports, groups=(a_group(),)))
    assert not one.pings(other.ip)
    # who may not be spoken to may speak, and is answered
    listening = a_group(PING, id="listening")
    answering = other.port.model_copy(update={"group_ids": ("listening",)})
    machine.apply(wanted(one.port, answering, groups=(a_group(), listening)))
    assert one.pings(other.ip)
    assert not other.pings(one.ip)
    # nothing goes out either
    machine.apply(wanted(*ports, groups=(a_group(PING, out=False),)))
    assert not one.pings(other.ip)


def test_a_rule_taken_away_ends_what_is_under_way(world):
    one, other = two_guests(world)
    ping = one.popen("busybox", "ping", "-i", "0.2", other.ip)
    assert ping.stdout is not None
    [ping.stdout.readline() for _ in range(3)]
    world.machines[0].apply(wanted(one.port, other.port, groups=(a_group(),)))
    heard = other.hears(lambda: None, seconds=1.0)
    assert [frame for frame in heard if frame[12:14] == b"\x08\x00"] == []
    ping.terminate()
    ping.communicate()


def test_members_of_a_remote_group_are_let_in_as_they_come_and_go(world):
    rule = GroupRule(direction="ingress", remote_group_id="friends")
    groups = (a_group(rule), a_group(id="friends"))
    one, other = a_port(5), a_port(6, groups=("friends",))
    machine = world.machines[0]
    machine.apply(wanted(one, other, groups=groups))
    guest, friend = world.guest(0, one), world.guest(0, other)
    guest.address()
    friend.address()
    assert friend.pings(guest.ip)
    machine.apply(wanted(one, other, groups=groups, members={"friends": ("10.9.0.7",)}))
    assert not friend.pings(guest.ip)
    machine.apply(wanted(one, other, groups=groups, members={"friends": ("10.9.0.6", "10.9.0.7")}))
    assert friend.pings(guest.ip)


def test_two_networks_may_have_the_same_addresses(world):
    second = "b1c0ffee-0000-4000-8000-0000000000ff".replace("b1c0", "c2c0")
    pairs = [(a_port(5), a_port(6)), tuple(a_port(n + 16, network_id=second, mac=mac(n),
             addresses=a_port(n).addresses) for n in (5, 6))]  # fmt: skip
    networks = (a_network(), a_network(id=second, segmentation_id=78))
    open_one = pairs[1][1].model_copy(update={"group_ids": ("shut",)})
    world.machines[0].apply(wanted(*pairs[0], pairs[1][0], open_one, networks=networks,
                                   groups=(a_group(PING), a_group(id="shut"))))  # fmt: skip
    guests = [world.guest(0, port) for port in (*pairs[0], *pairs[1])]
    for guest in guests:
        assert guest.lease()["ip"] == guest.ip
    assert guests[0].pings("10.9.0.6")
    assert not guests[2].pings("10.9.0.6")
    assert len(world.machines[0].dhcp_servers()) == 2


def test_a_restart_of_the_daemon_loses_no_packet_and_keeps_the_dhcp_server(world):
    one, other = two_guests(world)
    machine = world.machines[0]
    servers = machine.dhcp_servers()
    ping = one.popen("busybox", "ping", "-i", "0.05", "-c", "60", "-W", "1", other.ip)
    for _ in range(3):
        machine.kill_daemon()
        machine.apply(wanted(one.port, other.port))
        machine.apply(wanted(one.port, other.port), thorough=True)
    said = ping.communicate(timeout=20)[0]
    assert "60 packets transmitted, 60 packets received" in said
    assert machine.dhcp_servers() == servers


def test_everything_is_made_again_after_a_reboot(world):
    one, other = two_guests(world)
    machine = world.machines[0]
    machine.kill_daemon()
    for pid in machine.dhcp_servers():
        os.kill(pid, 9)
    machine.run("nft", "flush", "ruleset")
    for name in machine.links() - {"lo", "fab0"}:
        if not name.startswith("tap"):
            machine.run("ip", "link", "del", name, check=False)
    machine.apply(wanted(one.port, other.port))
    for guest in (one, other):
        machine.run("ip", "link", "set", guest.tap, "master", names.bridge(NET))
        assert guest.lease()["ip"] == guest.ip
    assert one.pings(other.ip)


def test_a_firewall_that_somebody_flushed_is_back_with_the_next_change_or_look(world):
    one, other = two_guests(world)
    machine, shut = world.machines[0], (a_group(),)
    machine.apply(wanted(one.port, other.port, groups=shut))
    assert not one.pings(other.ip)
    for more, thorough in (((a_port(7),), False), ((a_port(7),), True)):
        machine.run("nft", "flush", "ruleset")
        assert one.pings(other.ip)
        machine.apply(wanted(one.port, other.port, *more, groups=shut), thorough)
        assert not one.pings(other.ip)


def test_a_dhcp_server_that_died_is_replaced_and_new_ports_are_served_by_the_old_one(world):
    port, late = a_port(5), a_port(6)
    machine = world.machines[0]
    machine.apply(wanted(port))
    guest = world.guest(0, port)
    (first,) = machine.dhcp_servers()
    machine.apply(wanted(port, late))
    assert machine.dhcp_servers() == [first]
    assert world.guest(0, late).lease()["ip"] == "10.9.0.6"
    os.kill(first, 9)
    deadline = time.monotonic() + 5
    while machine.dhcp_servers() and time.monotonic() < deadline:
        time.sleep(0.02)
    machine.apply(wanted(port, late))
    assert guest.lease()["ip"] == "10.9.0.5"


def test_nothing_is_left_after_the_last_port(world):
    machine = world.machines[0]
    machine.run("ip", "link", "add", "br-own", "type", "bridge")
    machine.apply(wanted(a_port(5)))
    guest = world.guest(0, a_port(5))
    assert guest.lease()
    machine.apply(NOTHING)  # the guest is still there: it is cut off, and its bridge waits for it to go
    assert names.bridge(NET) in machine.links()
    assert guest.lease(check=False) == {}
    machine.run("ip", "link", "del", guest.tap)
    machine.apply(NOTHING)
    machine.comes_down_to({"lo", "fab0", "br-own"})
    assert machine.dhcp_servers() == []
    assert list((machine.folder / "dhcp").iterdir()) == []
    assert "tap" not in machine.run("nft", "list", "ruleset").stdout


def test_a_guest_does_not_reach_the_host_it_is_on(world):
    one, _ = two_guests(world)
    machine = world.machines[0]
    bridge = machine.run("cat", f"/sys/class/net/{names.bridge(NET)}/address").stdout.strip()
    one.run("ip", "route", "add", machine.address, "dev", "eth0")
    assert not one.pings(machine.address)
    one.run("ip", "neigh", "replace", machine.address, "lladdr", bridge, "dev", "eth0", "nud", "permanent")
    assert not one.pings(machine.address)
    inside = machine.run("sysctl", "-w", "net.ipv4.ip_forward=1")
    assert inside.returncode == 0
    one.run("ip", "route", "add", "10.77.0.0/24", "dev", "eth0")
    one.run("ip", "neigh", "replace", "10.77.0.99", "lladdr", bridge, "dev", "eth0", "nud", "permanent")
    assert not one.pings("10.77.0.99")


def test_every_kind_of_rule_is_one_that_the_kernel_takes(world):
    ranges = [(None, None), (1, 65535), (7, 7), (None, 5), (3, None)]
    rules = [
        GroupRule(direction=direction, ip_version=version, protocol=protocol, port_min=low, port_max=high)
        for direction in ("ingress", "egress")
        for version in (4, 6)
        for protocol in (None, "any", "0", "255", *PROTOCOLS)
        for low, high in (ranges if protocol in ("tcp", "udp", "sctp", "dccp", "udplite") else ranges[:1])
    ]
    rules += [GroupRule(direction="ingress", ip_version=version, protocol="icmp", port_min=kind, port_max=code)
              for version in (4, 6) for kind, code in ((0, None), (255, 255))]  # fmt: skip
    anything = [AddressPair(ip=ip) for ip in ("0.0.0.0/0", "::/0", "10.0.0.0/8", "fe80::1")]
    pairs = (*anything, AddressPair(ip="fd00::/8", mac="fa:16:3e:00:00:99"))
    ports = a_port(5, allowed_pairs=pairs), a_port(6, addresses=())
    world.machines[0].apply(wanted(*ports, groups=(a_group(*rules),)))


def test_a_flood_of_rules_is_taken_and_judged_to_its_end(world):
    rules = [GroupRule(direction="ingress", protocol="tcp", port_min=port, port_max=port)
             for port in range(1, 10_000)]  # fmt: skip
    ports = a_port(5), a_port(6)
    machine = world.machines[0]
    machine.apply(wanted(*ports, groups=(a_group(*rules, PING),)))
    one, other = world.guest(0, ports[0]), world.guest(0, ports[1])
    one.address()
    other.address()
    assert one.pings(other.ip)
    machine.apply(wanted(*ports, groups=(a_group(*rules),)))
    assert not one.pings(other.ip)


def test_a_network_that_cannot_be_made_harms_no_other(world):
    second, third = (f"{start}ffee-0000-4000-8000-0000000000ff" for start in ("c2c0", "d3c0"))
    machine = world.machines[0]
    machine.run("ip", "link", "add", "own", "type", "vxlan", "id", "78", "local", machine.address, "dstport", "4789")
    routes = tuple((f"10.{number}.0.0/16", "10.9.0.9") for number in range(100, 200))
    longer = SUBNET.model_copy(update={"host_routes": routes})
    networks = (a_network(), a_network(id=second, segmentation_id=78),
                a_network(id=third, segmentation_id=79, subnets=(longer,)))  # fmt: skip
    ports = [a_port(5), a_port(6, network_id=second), a_port(7, network_id=third)]
    made = machine.apply(wanted(*ports, networks=networks))
    assert set(made.ports) == {ports[0].id}
    assert "ip: " in made.refused[second]
    assert "dnsmasq: " in made.refused[third] or "unshare: " in made.refused[third]
    assert world.guest(0, ports[0]).lease()["ip"] == "10.9.0.5"
    machine.run("ip", "link", "del", "own")
    assert set(machine.apply(wanted(*ports, networks=networks)).ports) == {ports[0].id, ports[1].id}


@pytest.mark.parametrize("switches", [("linuxbridge",) * 2, ("openvswitch",) * 2, ("linuxbridge", "openvswitch")])
def test_two_machines_are_one_network_over_vxlan(tmp_path, switches):
    with World(tmp_path, 2, *switches) as world:
        here, there = a_port(5), a_port(6)
        first, second = world.machines
        both = {"web": ("10.9.0.5", "10.9.0.6")}
        groups = (a_group(PING, GroupRule(direction="ingress", protocol="tcp")),)
        nets = [(a_network(peers=(a_peer(peer.address, port),)),) for peer, port in ((second, 6), (first, 5))]
        first.apply(wanted(here, networks=nets[0], members=both, groups=groups))
        second.apply(wanted(there, networks=nets[1], members=both, groups=groups))
        one, other = world.guest(0, here), world.guest(1, there)
        assert one.lease()["ip"] == "10.9.0.5"
        heard = other.hears(one.lease)
        assert [frame for frame in heard if frame[23:24] == b"\x11"] == [], "DHCP does not cross"
        assert other.lease()["ip"] == "10.9.0.6"
        assert one.pings(other.ip, count=3)
        assert one.run("busybox", "ping", "-c1", "-s", "1400", other.ip).returncode == 0
        server = other.serves("hello")
        assert one.reads(other.ip) == "hello\n"
        server.terminate()
        server.communicate()
        honest = udp(mac(6), mac(5), "10.9.0.5", "10.9.0.6", (7, 7), b"honest")
        forged = udp(mac(6), mac(5), "10.9.0.9", "10.9.0.6", (7, 7), b"forged")
        second.apply(wanted(there.model_copy(update={"port_security": False}), networks=nets[1]))
        heard = other.hears(lambda: one.send(forged, arp(mac(5), mac(5), "10.9.0.6", "10.9.0.6"), honest), 0.3)
        assert honest in heard
        assert [frame for frame in heard if frame == forged or frame[12:14] == b"\x08\x06"] == []
        second.apply(wanted(there, networks=nets[1], groups=(a_group(),)))
        assert not one.pings(other.ip)
        assert other.pings(one.ip)
        # the other port moves away: nothing more is sent there
        assert first.sends_to(NET) == {second.address}
        first.apply(wanted(here))
        assert first.sends_to(NET) == set()
        for machine, guest in zip(world.machines, world.guests, strict=True):
            machine.run("ip", "link", "del", guest.tap)
            assert " nl" not in machine.run("ip", "-o", "-6", "addr").stdout, "the host is on none of its networks"
            machine.apply(NOTHING)
            machine.comes_down_to({"lo", "fab0"})


def test_a_vlan_is_a_tag_on_the_wire_where_the_kernel_has_them_and_is_refused_elsewhere(tmp_path):
    """Debian's kernels have them; whichever this one is, one half of it is tried."""
    with World(tmp_path, 2) as world:
        second = "c2c0ffee-0000-4000-8000-000000000001"
        tagged = {"type": "vlan", "physical_network": "office", "mtu": 1400}
        networks = (a_network(segmentation_id=7, **tagged), a_network(id=second, segmentation_id=8, **tagged))
        ports = a_port(5), a_port(6), a_port(7, network_id=second)
        for machine in world.machines:
            machine.wire(world.fabric)
        plans = [world.machines[0].apply(wanted(ports[0], networks=networks[:1])),
                 world.machines[1].apply(wanted(*ports[1:], networks=networks))]  # fmt: skip
        probe = ("ip", "link", "add", "link", "fab0", "name", "probe", "type", "vlan", "id", "9")
        if world.machines[0].run(*probe, check=False).returncode:
            assert [set(made.ports) for made in plans] == [set(), set()]
            assert plans[0].refused[NET].startswith("no VLAN (802.1q) can be had here: ")
        else:
            guests = [world.guest(0, ports[0]), world.guest(1, ports[1]), world.guest(1, ports[2])]
            for guest in guests:
                guest.address()
            assert guests[0].pings(guests[1].ip)
            assert not guests[0].pings(guests[2].ip)
        for machine in world.machines:
            for guest in world.guests:
                machine.run("ip", "link", "del", guest.tap, check=False)
            machine.run("ip", "link", "del", "probe", check=False)
            machine.apply(NOTHING)
            machine.comes_down_to({"lo", "fab0", "wire"})


@pytest.mark.parametrize("switches", [("linuxbridge",) * 2, ("linuxbridge", "openvswitch")])
def test_a_flat_network_is_the_wire_of_its_interface(tmp_path, switches):
    with World(tmp_path, 2, *switches) as world:
        network = a_network(type="flat", segmentation_id=None, physical_network="office", mtu=1500)
        ports = a_port(5), a_port(6)
        for machine in world.machines:
            machine.wire(world.fabric)
        for machine, port in zip(world.machines, ports, strict=True):
            machine.apply(wanted(port, networks=(network,)))
        one, other = world.guest(0, ports[0]), world.guest(1, ports[1])
        one.address()
        other.address()
        assert one.pings(other.ip)
        for machine, guest in zip(world.machines, world.guests, strict=True):
            machine.run("ip", "link", "del", guest.tap)
            machine.apply(NOTHING)
            machine.comes_down_to({"lo", "fab0", "wire"})
