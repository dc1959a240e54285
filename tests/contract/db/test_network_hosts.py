"""What one host is told of networks, on every database."""

from __future__ import annotations

from typing import Any

from novalite.conductor.networks.host_view import host_networks
from novalite.db.networks import groups, hosts, ports
from novalite.db.session import Database
from novalite.objects.base import Record
from novalite.objects.host_networks import GroupRule, HostNetworks, Peer, RemotePort
from tests.contract.db.test_network_ports import NET, a_network, a_port


def view(db: Database, host: str) -> HostNetworks:
    """The host's wanted state."""
    with db.read() as session:
        return host_networks(host, hosts.facts(session, host))


def on(db: Database, host: str, **values: Any) -> Record:
    """A port of a guest on that host."""
    return a_port(db, device_id=f"server-{host}", device_owner="compute:nova", host=host, **values)


def said(db: Database, host: str, address: str) -> bool:
    return db.run(lambda session: hosts.said(session, host, address))


def test_a_host_is_told_of_its_guests_their_networks_and_where_the_others_are(db: Database) -> None:
    (subnet,) = a_network(db, "10.0.0.0/24")
    mine, there, unsaid = on(db, "alpha"), on(db, "beta"), on(db, "gamma")
    a_port(db)  # nobody's
    a_port(db, device_id="dhcp", device_owner="network:dhcp", host="alpha")
    assert said(db, "beta", "192.0.2.2")
    assert not said(db, "beta", "192.0.2.2")
    assert said(db, "beta", "192.0.2.3")
    found = view(db, "alpha")
    assert [port.id for port in found.ports] == [mine["id"]]
    assert [one.address for one in found.ports[0].addresses] == ["10.0.0.2"]
    (network,) = found.networks
    assert (network.id, network.type, network.segmentation_id) == (NET, "vxlan", 7)
    assert [one.id for one in network.subnets] == [subnet]
    other = RemotePort(mac=there["mac_address"], addresses=("10.0.0.3",))
    assert network.peers == (Peer(host="beta", address="192.0.2.3", ports=(other,)),)  # nobody knows where gamma is
    assert [port.id for port in view(db, "gamma").ports] == [unsaid["id"]]
    assert view(db, "delta").ports == ()


def test_rules_come_with_the_addresses_of_the_groups_they_name(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    mine, other = on(db, "alpha"), on(db, "beta", allowed_address_pairs=[{"ip_address": "10.0.9.0/24"}])
    found = view(db, "alpha")
    (group,) = found.groups
    assert found.ports[0].group_ids == (group.id,) == tuple(mine["security_groups"])
    assert GroupRule(direction="ingress", remote_group_id=group.id) in group.rules
    assert GroupRule(direction="egress", ip_version=6) in group.rules
    assert found.members == {group.id: ("10.0.0.2", "10.0.0.3", "10.0.9.0/24")}
    version = found.version
    db.run(lambda session: ports.remove(session, [other["id"]]))
    assert view(db, "alpha").members == {group.id: ("10.0.0.2",)}
    assert view(db, "alpha").version != version
    assert view(db, "alpha").version == view(db, "alpha").version


def test_a_change_of_a_network_concerns_its_hosts_and_those_with_rules_about_its_ports(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    on(db, "alpha")
    on(db, "beta")
    a_port(db)

    def names() -> str:
        with db.begin() as session:
            group = groups.create(session, {"project_id": "p-1", "name": "watchers"})
            rule = {"direction": "ingress", "ethertype": "IPv4",
                    "remote_group_id": groups.default_of(session, "p-1")}  # fmt: skip
            groups.add_rule(session, group["id"], "p-1", rule)
            return str(group["id"])

    on(db, "gamma", security_groups=[names()])
    with db.read() as session:
        assert hosts.of_networks(session, [NET]) == {"alpha", "beta", "gamma"}
        assert hosts.of_networks(session, ["another"]) == hosts.of_networks(session, []) == set()
