"""What a host must have, decided: firewall, DHCP, devices. Nothing here touches the machine."""

from __future__ import annotations

import json

import pytest

from novalite.networks.on_host import dhcp, groups, links, names, spoofing
from novalite.networks.on_host.addresses import link_local, of_version
from novalite.networks.on_host.plan import Host, numbered, plan
from novalite.networks.on_host.ruleset import Ruleset, ruleset, transaction
from novalite.objects.host_networks import AddressPair, GroupRule, LocalAddress, SecurityGroup, Subnet
from tests.networks.builders import (
    NET,
    OUTSIDE,
    PING,
    SUBNET,
    a_group,
    a_leg,
    a_network,
    a_peer,
    a_port,
    a_router,
    an_outside,
    mac,
    routed,
    wanted,
)

HERE = Host(address="10.77.0.1")
PAIRS = (AddressPair(ip="10.9.0.64/28"), AddressPair(ip="fd00:9::/64", mac="fa:16:3e:aa:00:01"))
RULES = (
    PING,
    GroupRule(direction="ingress", protocol="tcp", port_min=22, port_max=22, remote_cidr="192.0.2.0/24"),
    GroupRule(direction="ingress", protocol="udp", port_min=5000, port_max=5010, remote_cidr="0.0.0.0/0"),
    GroupRule(direction="ingress", ip_version=6, protocol="icmp", port_min=128, port_max=0),
    GroupRule(direction="ingress", remote_group_id="web"),
    GroupRule(direction="ingress", protocol="vrrp"),
    GroupRule(direction="ingress", protocol="50"),
)


def everything():
    ports = (
        a_port(5, allowed_pairs=PAIRS),
        a_port(6, port_security=False),
        a_port(7, admin_up=False),
        a_port(8, groups=()),
    )
    return wanted(*ports, groups=(a_group(*RULES),))


def test_the_firewall_of_a_host(golden):
    golden("networks/firewall.nft", transaction(None, ruleset(everything(), {NET: 1}, ["eth9"])))


def test_one_more_port_of_a_group_touches_that_port_and_the_set_of_members(golden):
    before, after = wanted(a_port(5)), wanted(a_port(5), a_port(9))
    friends = (a_group(GroupRule(direction="ingress", remote_group_id="web")),)
    old, new = (ruleset(one.model_copy(update={"groups": friends}), {NET: 1}) for one in (before, after))
    golden("networks/one-more-port.nft", transaction(old, new))
    elsewhere = before.model_copy(update={"groups": friends, "members": after.members})
    assert transaction(old, ruleset(elsewhere, {NET: 1})) == (
        "add element bridge novalite m4-web { 10.9.0.9 }\n"
    )


def test_the_same_state_is_no_transaction_and_there_and_back_is_none_either():
    old, new = ruleset(wanted(a_port(5)), {NET: 1}), ruleset(everything(), {NET: 2})
    assert transaction(new, ruleset(everything(), {NET: 2})) == ""
    assert transaction(old, new) != ""
    assert _played(transaction(new, old), new) == _played(transaction(None, old), Ruleset())


def _played(text: str, start: Ruleset) -> dict[str, list[str]]:
    """Rules per chain after a transaction, as nft would leave them."""
    chains = {f"{table} {name}": list(rules) for (table, name), rules in start.chains.items()}
    for line in text.splitlines():
        verb, what, family, table, *rest = line.split(" ", 5)
        if what == "rule":
            chains[f"{family} {table} {rest[0]}"].append(rest[1])
        elif what == "chain" and verb == "delete":
            del chains[f"{family} {table} {rest[0]}"]
        elif what == "chain":
            chains[f"{family} {table} {rest[0]}"] = []
    return chains


def test_a_rule_of_a_group_that_is_not_known_is_none():
    made = ruleset(wanted(a_port(5, groups=("web", "unknown"))), {NET: 1})
    assert made.chains["bridge novalite", f"in-{names.tap(a_port(5).id)}"] == ["jump always-in", "jump gi-web", "drop"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (GroupRule(direction="egress"), "ether type ip accept"),
        (GroupRule(direction="egress", remote_cidr="10.0.0.0/8"), "ether type ip ip daddr 10.0.0.0/8 accept"),
        (GroupRule(direction="ingress", ip_version=6, remote_cidr="::/0"), "ether type ip6 accept"),
        (GroupRule(direction="ingress", protocol="any"), "ether type ip accept"),
        (GroupRule(direction="ingress", protocol="tcp", port_min=1, port_max=65535),
         "ether type ip meta l4proto 6 th dport 1-65535 accept"),
        (GroupRule(direction="ingress", protocol="17", port_min=53, port_max=53),
         "ether type ip meta l4proto 17 th dport 53 accept"),
        (GroupRule(direction="ingress", protocol="icmp", port_min=3, port_max=4),
         "ether type ip meta l4proto 1 icmp type 3 icmp code 4 accept"),
        (GroupRule(direction="ingress", ip_version=6, protocol="icmpv6", port_min=128),
         "ether type ip6 meta l4proto 58 icmpv6 type 128 accept"),
        (GroupRule(direction="egress", ip_version=6, remote_group_id="g"),
         "ether type ip6 ip6 daddr @m6-g accept"),
        (GroupRule(direction="ingress", protocol="gre"), "ether type ip meta l4proto 47 accept"),
    ],
)  # fmt: skip
def test_rules_as_nft_reads_them(rule, text):
    assert groups.rule(rule) == text


def test_a_group_is_two_chains():
    group = SecurityGroup(id="g", rules=(PING, GroupRule(direction="egress")))
    assert groups.rules(group, "ingress") == ["ether type ip meta l4proto 1 accept"]
    assert groups.rules(group, "egress") == ["ether type ip accept"]


def test_addresses_are_merged_because_sets_take_no_two_that_overlap():
    assert of_version(["10.0.0.4", "10.0.0.0/24", "fd00::1", "10.0.1.1", "10.0.1.1"], 4) == ["10.0.0.0/24", "10.0.1.1"]
    assert of_version(["10.0.0.4", "fd00::/64", "fd00::7"], 6) == ["fd00::/64"]
    assert link_local("fa:16:3e:00:00:05") == "fe80::f816:3eff:fe00:5"


def test_a_mac_of_a_pair_does_not_borrow_the_ports_own_addresses():
    assert spoofing.sources(a_port(5, allowed_pairs=PAIRS)) == {
        mac(5): ["10.9.0.5", "10.9.0.64/28"],
        "fa:16:3e:aa:00:01": ["fd00:9::/64"],
    }


def test_the_dhcp_server_of_a_network(golden):
    second = Subnet(id="sub-2", cidr="10.8.0.0/16", host_routes=(("192.0.2.0/24", "10.8.0.9"),))
    v6 = Subnet(id="sub-6", cidr="fd00:9::/64", ip_version=6, gateway="fd00:9::1")
    network = a_network(subnets=(SUBNET, second, v6))
    both = a_port(7, hostname="not a name\n", addresses=(LocalAddress(address="10.8.0.7", subnet_id="sub-2"),
                                             LocalAddress(address="10.9.0.7", subnet_id="sub-1")))  # fmt: skip
    server = dhcp.server(network, [a_port(5), both, a_port(8, addresses=())], lease=3600)
    assert server is not None
    golden("networks/dnsmasq.conf", server.config)
    assert server.hosts.splitlines() == [
        f"{mac(5)},id:*,10.9.0.5,guest5",
        f"{mac(7)},id:*,10.8.0.7,host-10-8-0-7",
    ]
    assert server.mac == dhcp.mac(NET) == dhcp.server(network, [], lease=1).mac
    assert int(server.mac[:2], 16) & 3 == 2  # one machine's, and locally administered


def test_no_subnet_that_wants_dhcp_means_no_server():
    assert dhcp.server(a_network(subnets=(SUBNET.model_copy(update={"dhcp": False}),)), [], lease=1) is None


def test_networks_keep_their_numbers_and_new_ones_get_free_ones():
    assert numbered({"a", "b", "c"}, {"b": 1, "gone": 2}) == {"b": 1, "a": 2, "c": 3}


def test_networks_that_cannot_be_had_are_refused_and_the_others_made():
    flat = a_network(id="c0ffee00-0000-4000-8000-00000000000a", type="flat", physical_network="office")
    vlan = a_network(id="c0ffee00-0000-4000-8000-00000000000b", type="vlan", physical_network="office")
    gre = a_network(id="c0ffee00-0000-4000-8000-00000000000c", type="gre")
    on = a_port(6, network_id=flat.id)
    made = plan(wanted(a_port(5), on, networks=(a_network(), flat, vlan, gre)), HERE, {})
    assert made.refused == {
        flat.id: "no interface of this host belongs to the physical network office",
        vlan.id: "no interface of this host belongs to the physical network office",
        gre.id: "this host carries no networks of type gre",
    }
    assert set(made.ports) == {a_port(5).id}
    assert [bridge.network_id for bridge in made.bridges] == [NET]
    joined = plan(wanted(on, networks=(flat,)), Host(address="10.77.0.1", interfaces={"office": "eth9"}), {})
    assert joined.uplinks == {"eth9": names.bridge(flat.id)}
    assert joined.tunnels == ()


def test_devices_from_nothing_and_back(golden):
    network = a_network(peers=(a_peer("10.77.0.2", 6, 7), a_peer("10.77.0.3", 8)))
    made = plan(wanted(a_port(5), networks=(network,)), HERE, {})
    golden("networks/steps.ip", "".join(f"{line}\n" for line in links.steps(made, {})))
    golden("networks/steps.bridge", "".join(f"{line}\n" for line in links.forwarding(made, {})))
    there = links.read(*_shown(made))
    assert links.steps(made, there) == links.forwarding(made, there) == []
    assert links.zones(there) == {NET: 1}
    nothing = plan(wanted(networks=()), HERE, links.zones(there))
    assert links.steps(nothing, there) == [f"link del dev {names.tunnel(NET)}", f"link del dev {names.bridge(NET)}"]


def test_what_differs_is_put_right_and_a_tunnel_that_leads_elsewhere_is_made_anew():
    made = plan(wanted(a_port(5), networks=(a_network(peers=(a_peer("10.77.0.2", 6),)),)), HERE, {})
    there = links.read(*_shown(made))
    moved = plan(wanted(a_port(5), networks=(a_network(mtu=1400, peers=(a_peer("10.77.0.3", 6),)),)), HERE, {NET: 1})
    tunnel = names.tunnel(NET)
    assert links.steps(moved, there) == [
        f"link set dev {names.bridge(NET)} mtu 1400",
        f"link set dev {tunnel} mtu 1400",
    ]
    assert links.forwarding(moved, there) == [
        f"fdb append 00:00:00:00:00:00 dev {tunnel} dst 10.77.0.3",
        f"fdb replace {mac(6)} dev {tunnel} dst 10.77.0.3",
        f"fdb del 00:00:00:00:00:00 dev {tunnel} dst 10.77.0.2",
    ]
    elsewhere = plan(wanted(a_port(5)), Host(address="10.77.0.9"), {NET: 1})
    assert links.steps(elsewhere, there)[0] == f"link del dev {tunnel}"


def test_a_router_of_a_host(golden):
    """What it forwards and translates, what it says of itself for IPv6, and what the host's DHCP server answers."""
    six = Subnet(id="sub-6", cidr="fd00:9::/64", ip_version=6, gateway="fd00:9::1", dns=("fd00:9::53",),
                 ipv6_ra_mode="dhcpv6-stateful", ipv6_address_mode="dhcpv6-stateful")  # fmt: skip
    router = a_router(a_leg(1), a_leg(2, NET, "sub-6", "fd00:9::1"), floating=[("203.0.113.20", "10.9.0.5")],
                      routes=(("192.0.2.0/24", "10.9.0.6"),), let_go_after=15)  # fmt: skip
    both = LocalAddress(address="10.9.0.5", subnet_id="sub-1"), LocalAddress(address="fd00:9::5", subnet_id="sub-6")
    state = routed(a_port(5, addresses=both), router=router, networks=(a_network(subnets=(SUBNET, six)), an_outside()))
    made = plan(state, Host(address="10.77.0.1", interfaces={"office": "eth9"}), {})
    (one,) = made.routers
    golden("networks/router.nft", one.rules)
    golden("networks/advertised.conf", one.advertised)
    golden("networks/dnsmasq-v6.conf", made.servers[0].config + made.servers[0].hosts)
    assert one.routes == (("0.0.0.0/0", "203.0.113.1"), ("192.0.2.0/24", "10.9.0.6"))
    assert [leg.addresses for leg in one.legs] == [
        ("10.9.0.1/24",), ("fd00:9::1/64",), ("203.0.113.10/24", "203.0.113.20/32"),
    ]  # fmt: skip
    assert made.carried[0].whole
    # without its way out it is carried in part, and its floating addresses are not
    made = plan(state, HERE, {})
    assert (made.carried[0].whole, made.carried[0].floating) == (False, ())
    assert "snat" not in made.routers[0].rules.replace("ct status snat", "")
    assert made.refused == {OUTSIDE: "no interface of this host belongs to the physical network office"}
    down = router.model_copy(update={"admin_up": False})
    made = plan(state.model_copy(update={"routers": (down,)}), HERE, {})
    (said,) = made.carried
    assert (made.routers, said.whole, said.floating) == ((), False, ())
    assert set(said.port_ids) == {leg.port_id for leg in down.legs if leg.network_id != OUTSIDE}


def test_a_vlan_is_made_of_its_interface_and_anew_when_its_number_or_interface_is_another():
    host = Host(address="10.77.0.1", interfaces={"office": "eth9", "lab": "eth8"})
    network = a_network(type="vlan", physical_network="office", segmentation_id=7)
    made, name = plan(wanted(a_port(5), networks=(network,)), host, {}), names.vlan(NET)
    assert links.steps(made, {})[-4:] == [
        "link set dev eth9 up",
        f"link add link eth9 name {name} mtu 1450 type vlan id 7",
        f"link set dev {name} addrgenmode none",
        f"link set dev {name} master {names.bridge(NET)} up",
    ]
    there = links.read(*_shown(made))
    assert (links.steps(made, there), links.missing(made, there)) == ([], set())
    for change in ({"segmentation_id": 8}, {"physical_network": "lab"}):
        other = plan(wanted(a_port(5), networks=(network.model_copy(update=change),)), host, {NET: 1})
        assert links.steps(other, there)[0] == f"link del dev {name}"
        assert links.missing(other, there) == {NET}
    gone = [f"link del dev {name}", f"link del dev {names.bridge(NET)}"]
    assert links.steps(plan(wanted(networks=()), host, links.zones(there)), there) == gone
    assert f'iifname "{names.DHCP}*" oifname "{name}" drop' in made.rules.chains["bridge novalite", "reach"]


def test_a_bridge_of_somebody_else_is_left_alone_whatever_its_name():
    stranger = [{"ifname": "nlbstranger", "mtu": 1500, "linkinfo": {"info_kind": "bridge"}}]
    assert links.steps(plan(wanted(networks=()), HERE, {}), links.read(json.dumps(stranger), "")) == []


def _shown(made) -> tuple[str, str]:
    """What `ip` and `bridge` would show of a plan that was made."""
    shown = [{"ifname": "eth0", "mtu": 1500}]
    for bridge in made.bridges:
        shown.append({"ifname": bridge.name, "mtu": bridge.mtu, "ifalias": links.alias(bridge),
                      "linkinfo": {"info_kind": "bridge"}})  # fmt: skip
    for one in made.tunnels:
        data = {"id": one.vni, "local": one.local, "port": one.port}
        shown.append({"ifname": one.name, "mtu": one.mtu, "master": one.bridge,
                      "linkinfo": {"info_kind": "vxlan", "info_data": data}})  # fmt: skip
    for one in made.vlans:
        shown.append({"ifname": one.name, "mtu": one.mtu, "master": one.bridge, "link": one.parent,
                      "linkinfo": {"info_kind": "vlan", "info_data": {"id": one.number}}})  # fmt: skip
    forward = [{"ifname": one.name, "mac": mac, "dst": to} for one in made.tunnels for mac, to in one.forward]
    return json.dumps(shown), json.dumps(forward)
