"""What one host is told of networks, on every database."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import insert

from novalite.conductor.networks.host_view import host_networks
from novalite.db import services
from novalite.db.models.network_services import Router
from novalite.db.models.networks import Network
from novalite.db.networks import groups, hosts, placing, ports, routers
from novalite.db.session import Database
from novalite.objects.base import Record
from novalite.objects.host_networks import CarriedRouter, GroupRule, HostNetworks, Peer, RemotePort
from novalite.objects.networks import ROUTER_INTERFACE
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


def test_a_router_is_where_its_way_out_is_and_elsewhere_when_that_is_gone(db: Database) -> None:
    """What a host is told of it, who has to find it a host, and what is ACTIVE of it."""
    a_network(db, "10.0.0.0/24")
    outside, flat = "22222222-0000-4000-8000-000000000001", {"network_type": "flat", "physical_network": "office"}
    with db.begin() as session:
        session.execute(insert(Network).values(id=outside, project_id="p", external=True, mtu=1500, **flat))
        session.execute(insert(Router).values(id="r", project_id="p", external_network_id=outside, gateway_port_id="g"))
    leg = a_port(db, device_id="r", device_owner=ROUTER_INTERFACE, security_groups=[])
    guest = on(db, "beta")
    for host, physical in (("alpha", ["office"]), ("beta", []), ("gamma", None), ("delta", ["office", "lab"])):
        assert db.run(partial(hosts.said, host=host, address=f"192.0.2.{len(host)}", physical=physical))
        db.run(partial(services.beat, host=host, binary=services.COMPUTE))

    def known() -> tuple[placing.Hosts, list[str]]:
        with db.read() as session:
            there = placing.willing(session, 60)
            return there, [one["id"] for one in placing.homeless(session, there)]

    there, homeless = known()
    assert there == {"alpha": {"office"}, "beta": set(), "delta": {"office", "lab"}}
    assert homeless == ["r"]
    first = placing.choose("r", ["alpha", "delta"])
    assert db.run(lambda session: placing.place(session, "r", there)) == {first}
    assert known()[1] == []
    (router,) = view(db, first).routers
    assert [one.port_id for one in router.legs] == [leg["id"]]
    assert [peer.host for peer in view(db, "beta").networks[0].peers] == [first]
    with db.read() as session:
        assert hosts.of_networks(session, [guest["network_id"]]) == {first, "beta"}
        assert placing.networks_of(session, "r") == {guest["network_id"]}
    said_so = CarriedRouter(id="r", port_ids=(leg["id"],))
    for host, said_by, status in ((first, (said_so,), "ACTIVE"), ("beta", (), "ACTIVE"), (first, (), "DOWN")):
        db.run(partial(placing.carried, host=host, said=said_by))
        with db.read() as session:
            assert {ports.get(session, leg["id"])["status"], routers.get(session, "r")["status"]} == {status}
    # its host has the physical network no more
    address = f"192.0.2.{len(first)}"
    assert not db.run(partial(hosts.said, host=first, address=address, physical=["lab"]))
    there, homeless = known()
    assert homeless == ["r"]
    assert db.run(lambda session: placing.place(session, "r", there)) == {"alpha", "delta"}
    assert (view(db, first).routers, known()[1]) == ((), [])
