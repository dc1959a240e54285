"""Routers are given to hosts that can carry them, are elsewhere when these are gone, and are up when they say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from novalite.conductor.periodic.place_routers import Placed, PlaceRouters
from novalite.context import system
from novalite.db.models.compute import Service
from novalite.db.models.networks import Network, NetworkPort
from novalite.db.networks import placing, ports, routers
from novalite.errors import NovaliteError
from novalite.networks.on_host.plan import Host, plan
from novalite.objects.base import Record
from novalite.objects.host_networks import CarriedRouter, FloatingIp, HostNetworks, HostRouter
from novalite.objects.networks import Kind, NetworkQuery
from novalite.rpc.bus import DaemonKilled
from novalite.rpc.contracts.host_networks import WantedNetworks
from novalite.rpc.contracts.networks import Networks
from tests.cloud import PROJECT, Cloud
from tests.networked import a_network, networked, on

HOSTS = {"alpha": "192.0.2.1", "beta": "192.0.2.2", "gamma": "192.0.2.3"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Three hosts, of which gamma has no way to the external network; every conductor may die."""
    with networked(tmp_path, hosts=tuple(HOSTS), conductors=12) as made:
        for host in HOSTS:
            asks(made, host)
        yield made


def asks(cloud: Cloud, host: str, **more: Any) -> HostNetworks:
    """The host starts: it asks, makes what it is told on paper, and says what it carries."""
    interfaces = {} if host == "gamma" else {"office": "eth9"}
    client = cloud.client.of(WantedNetworks)
    wanted = client.of_host(system(), host, HOSTS[host], "", more.get("physical", tuple(interfaces)))
    assert wanted is not None
    made = plan(wanted, Host(address=HOSTS[host], interfaces=interfaces), {})
    client.carried(system(), host, made.carried)
    return wanted


def make(cloud: Cloud, kind: Kind, **values: Any) -> Record:
    """Through the conductor, as the API asks."""
    (made,) = cloud.client.of(Networks).create(cloud.admin, kind, [{"project_id": PROJECT, **values}])
    return made


def show(cloud: Cloud, kind: Kind, resource_id: str) -> Record:
    return cloud.client.of(Networks).show(cloud.admin, kind, resource_id)


def outside(cloud: Cloud) -> str:
    """The external network: flat, on `office`."""
    made = a_network(cloud, "outside", 172, external=True)
    with cloud.db.begin() as session:
        flat = {"network_type": "flat", "physical_network": "office", "segmentation_id": None, "mtu": 1500}
        session.execute(update(Network).where(Network.id == made).values(**flat))
    return made


def a_router(cloud: Cloud) -> tuple[Record, str, str]:
    """(router between a network and the outside, the network, the outside)."""
    external, inside = outside(cloud), a_network(cloud)
    router = make(cloud, "router", name="r", external_gateway_info={"network_id": external})
    (subnet,) = show(cloud, "network", inside)["subnets"]
    cloud.client.of(Networks).add_interface(cloud.admin, router["id"], {"subnet_id": subnet, "port_id": None})
    return show(cloud, "router", router["id"]), inside, external


def host_of(cloud: Cloud, router: Record) -> str:
    return str(show(cloud, "router", router["id"])["host"])


def statuses(cloud: Cloud, router: Record) -> set[str]:
    """Of the router and its ports."""
    with cloud.db.read() as session:
        plugs = ports.fetch(session, NetworkPort.device_id == router["id"])
    assert {port["host"] for port in plugs} <= {show(cloud, "router", router["id"])["host"]}
    return {show(cloud, "router", router["id"])["status"], *(port["status"] for port in plugs)}


def places(cloud: Cloud) -> Placed:
    alive = next(one for one in cloud.conductors if one.alive)
    return PlaceRouters(alive.manager.env).run(system())


def told(log: list[Any]) -> set[str | None]:
    return {one.host for one in log if one.namespace == "network_news"}


def test_a_router_goes_to_a_host_with_its_way_out_and_is_up_when_that_host_says_so(cloud):
    with cloud.bus.recording() as log:
        router, inside, _ = a_router(cloud)
    host = host_of(cloud, router)
    assert host == placing.choose(router["id"], ["alpha", "beta"])
    assert told(log) == {host}
    assert statuses(cloud, router) == {"DOWN"}
    server = cloud.create("web", networks=(on(inside),), forced_host="gamma")
    (port,) = cloud.client.of(Networks).page(cloud.admin, "port", _of(server))
    floating = make(cloud, "floatingip", floating_network_id=router["external_network_id"], port_id=port["id"])
    assert floating["status"] == "DOWN"
    wanted = asks(cloud, host)
    assert statuses(cloud, router) == {"ACTIVE"}
    assert show(cloud, "floatingip", floating["id"])["status"] == "ACTIVE"
    (seen,) = wanted.routers
    address = floating["floating_ip_address"]
    assert seen.floating == (FloatingIp(id=floating["id"], address=address, fixed=port["fixed_ips"][0]["ip_address"]),)
    assert [leg.port_id == seen.gateway for leg in seen.legs].count(True) == 1
    assert seen.let_go_after > 0, "another host could have it"
    # the guest's host sends to the router's, and the other way round
    assert [peer.host for peer in asks(cloud, "gamma").networks[0].peers] == [host]
    assert {peer.host for net in wanted.networks for peer in net.peers} == {"gamma"}
    # what is turned elsewhere is not up there yet
    networks = cloud.client.of(Networks)
    with cloud.bus.recording() as log:
        networks.change(cloud.admin, "floatingip", floating["id"], {"port_id": None})
    assert told(log) >= {host}
    assert asks(cloud, host).routers[0].floating == ()
    assert networks.change(cloud.admin, "floatingip", floating["id"], {"port_id": port["id"]})["status"] == "DOWN"
    with cloud.bus.recording() as log:
        cloud.delete(server)
    assert host in told(log)
    assert show(cloud, "floatingip", floating["id"])["status"] == "DOWN"
    with cloud.bus.recording() as log:
        networks.change(cloud.admin, "router", router["id"], {"admin_state_up": False})
    assert told(log) == {host}
    asks(cloud, host)
    assert show(cloud, "router", router["id"])["status"] == "DOWN"
    assert statuses(cloud, router) == {"DOWN", "ACTIVE"}, "its ports are as they are to be"


def _of(server: str) -> NetworkQuery:
    return NetworkQuery(equals={"device_id": [server]})


@pytest.mark.parametrize("gone", ["dead", "disabled", "without its way out"])
def test_a_router_whose_host_cannot_carry_it_any_more_is_carried_by_another(cloud, gone):
    router, _, _ = a_router(cloud)
    first = host_of(cloud, router)
    (second,) = {"alpha", "beta"} - {first}
    asks(cloud, first)
    assert places(cloud) == Placed(0, 0)
    _leave(cloud, first, gone)
    with cloud.bus.recording() as log:
        assert places(cloud) == Placed(1, 1)
    assert host_of(cloud, router) == second
    assert told(log) == {first, second}
    assert statuses(cloud, router) == {"DOWN"}
    # what the old one says does not count any more, and it is told to carry none
    stale = cloud.client.of(WantedNetworks)
    stale.carried(system(), first, asks(cloud, second).routers and ())
    assert statuses(cloud, router) == {"ACTIVE"}
    assert asks(cloud, first).routers == ()
    # the last one keeps it, however it is: nobody else can have it
    cloud.client.of(WantedNetworks).carried(system(), second, (CarriedRouter(id=router["id"], port_ids=_plugs(cloud)),))
    assert statuses(cloud, router) == {"ACTIVE"}
    _leave(cloud, second, gone)
    _leave(cloud, first, gone)
    assert places(cloud).moved == 0
    assert host_of(cloud, router) == second
    assert statuses(cloud, router) == {"DOWN" if gone == "dead" else "ACTIVE"}


def _plugs(cloud: Cloud) -> tuple[str, ...]:
    with cloud.db.read() as session:
        return tuple(session.scalars(select(NetworkPort.id).where(NetworkPort.device_owner.in_(placing.PLUGS))))


def _leave(cloud: Cloud, host: str, how: str) -> None:
    if how == "dead":
        cloud.mark_down(host, True)
    elif how == "disabled":
        with cloud.db.begin() as session:
            session.execute(update(Service).where(Service.host == host).values(disabled=True))
    else:
        asks(cloud, host, physical=("elsewhere",))


def test_a_router_of_a_cloud_without_hosts_for_it_waits_for_one(tmp_path):
    with networked(tmp_path, hosts=tuple(HOSTS)) as cloud:
        router, _, _ = a_router(cloud)
        assert (host_of(cloud, router), statuses(cloud, router)) == ("", {"DOWN"})
        asks(cloud, "gamma")
        assert places(cloud) == Placed(1, 0)
        asks(cloud, "alpha", physical=None)
        assert places(cloud) == Placed(1, 0), "this one carries none"
        asks(cloud, "beta")
        assert places(cloud) == Placed(1, 1)
        (seen,) = asks(cloud, "beta").routers
        assert seen.let_go_after == 0, "nobody else could have it"
        assert statuses(cloud, router) == {"ACTIVE"}


def test_nothing_is_wanted_of_a_router_that_is_deleted(cloud):
    router, inside, external = a_router(cloud)
    host, networks = host_of(cloud, router), cloud.client.of(Networks)
    (subnet,) = show(cloud, "network", inside)["subnets"]
    assert {net.id for net in asks(cloud, host).networks} == {inside, external}
    with cloud.bus.recording() as log:
        networks.remove_interface(cloud.admin, router["id"], {"subnet_id": subnet, "port_id": None})
    assert told(log) == {host}
    assert {net.id for net in asks(cloud, host).networks} == {external}
    with cloud.bus.recording() as log:
        networks.delete(cloud.admin, "router", router["id"])
    assert told(log) == {host}
    left = asks(cloud, host)
    assert (left.routers, left.networks) == ((), ())


def test_a_conductor_that_dies_at_any_commit_leaves_a_router_that_is_placed_and_becomes_active(cloud):
    """Made, joined, moved: killed before and after every transaction, then the survivors' periodic work."""
    external, inside = outside(cloud), a_network(cloud)
    (subnet,) = show(cloud, "network", inside)["subnets"]
    carried: list[HostRouter] = []
    for number, after in ((0, False), (0, True)):
        for step in ("make", "join", "place"):
            router = make(cloud, "router", name=f"{step}{after}") if step != "make" else None
            if step == "place":
                _leave(cloud, host_of(cloud, router), "dead")
            cloud.conductors[-1].db.arm(number, after)
            with suppress(NovaliteError, DaemonKilled):
                _broken(cloud, step, router, external, subnet)
            cloud.revive()
            for host in HOSTS:
                cloud.beat(cloud.hosts[host])
            places(cloud)
            made = cloud.client.of(Networks).page(cloud.admin, "router", NetworkQuery())
            for host in HOSTS:
                carried += asks(cloud, host).routers
            assert all(statuses(cloud, one) == {"ACTIVE"} for one in made), made
            for one in made:
                _undo(cloud, one)
    assert carried
    assert all(asks(cloud, host).routers == () for host in HOSTS)


def _broken(cloud: Cloud, step: str, router: Record | None, external: str, subnet: str) -> None:
    if router is None:
        make(cloud, "router", name="made", external_gateway_info={"network_id": external})
    elif step == "join":
        asked = {"subnet_id": subnet, "port_id": None}
        cloud.client.of(Networks).add_interface(cloud.admin, router["id"], asked)
    else:
        places(cloud)


def _undo(cloud: Cloud, router: Record) -> None:
    networks = cloud.client.of(Networks)
    with cloud.db.read() as session:
        plugs = routers.interfaces(session, [router["id"]])[router["id"]]
    for port in plugs:
        networks.remove_interface(cloud.admin, router["id"], {"subnet_id": None, "port_id": port["id"]})
    networks.delete(cloud.admin, "router", router["id"])


def test_where_networks_are_pretended_routers_are_carried_as_soon_as_they_are_given(tmp_path):
    """Hosts of the fake hypervisor; the same when the word that it is so is lost, a little later."""
    with networked(tmp_path, hosts=("alpha",), overrides={"host_networks.routers": True}) as cloud:
        with cloud.bus.recording() as log:
            router, inside, _ = a_router(cloud)
        assert told(log) == set(), "nobody has anything to make"
        assert statuses(cloud, router) == {"ACTIVE"}
        server = cloud.create("web", networks=(on(inside),))
        (port,) = cloud.client.of(Networks).page(cloud.admin, "port", _of(server))
        with cloud.bus.lose(lambda envelope: envelope.method == "pretend"):
            floating = make(cloud, "floatingip", floating_network_id=router["external_network_id"], port_id=port["id"])
        assert show(cloud, "floatingip", floating["id"])["status"] == "DOWN"
        assert places(cloud) == Placed(0, 0)
        assert show(cloud, "floatingip", floating["id"])["status"] == "ACTIVE"
        cloud.client.of(Networks).change(cloud.admin, "router", router["id"], {"admin_state_up": False})
        assert show(cloud, "router", router["id"])["status"] == "DOWN"
        assert show(cloud, "floatingip", floating["id"])["status"] == "DOWN"
