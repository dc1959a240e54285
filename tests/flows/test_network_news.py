"""Hosts are told when what they enforce is another, and what they then ask for is what is committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.context import system
from novalite.objects.host_networks import HostNetworks
from novalite.rpc.contracts.host_networks import WantedNetworks
from novalite.rpc.contracts.interfaces import Interfaces
from tests.cloud import Cloud
from tests.networked import a_network, networked, on


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts, networks."""
    with networked(tmp_path) as made:
        yield made


def wanted(cloud: Cloud, host: str, known: str = "") -> HostNetworks | None:
    """As the host would ask."""
    address = {"alpha": "192.0.2.1", "beta": "192.0.2.2"}[host]
    return cloud.client.of(WantedNetworks).of_host(system(), host, address, known)


def told(log: list[Any]) -> set[str | None]:
    """Hosts that were told to ask."""
    return {one.host for one in log if one.namespace == "network_news"}


def test_both_hosts_of_a_network_are_told_of_a_server_on_one_and_of_its_end(cloud):
    network = a_network(cloud)
    wanted(cloud, "alpha"), wanted(cloud, "beta")
    cloud.create("one", networks=(on(network),), forced_host="alpha")
    with cloud.bus.recording() as log:
        server = cloud.create("two", networks=(on(network),), forced_host="beta")
    assert told(log) == {"alpha", "beta"}
    seen = wanted(cloud, "alpha")
    assert seen is not None
    (peer,) = seen.networks[0].peers
    assert (peer.host, peer.address, len(peer.ports)) == ("beta", "192.0.2.2", 1)
    assert seen.ports[0].hostname == "one"
    assert wanted(cloud, "alpha", seen.version) is None
    with cloud.bus.recording() as log:
        cloud.delete(server)
    assert told(log) == {"alpha", "beta"}
    left = wanted(cloud, "alpha", seen.version)
    assert left is not None
    assert left.networks[0].peers == ()
    assert wanted(cloud, "beta").ports == ()  # type: ignore[union-attr]


def test_a_change_of_groups_and_an_attachment_are_news_too(cloud):
    network, second = a_network(cloud), a_network(cloud, "second", 1)
    server = cloud.create("one", networks=(on(network),), forced_host="alpha")
    asking = cloud.client.of(Interfaces)
    with cloud.bus.recording() as log:
        asking.change_groups(cloud.ctx, server, "default", False)
    assert told(log) == {"alpha"}
    assert wanted(cloud, "alpha").groups == ()  # type: ignore[union-attr]
    with cloud.bus.recording() as log:
        asking.attach(cloud.ctx, server, {"port_id": None, "net_id": second, "fixed_ips": None, "tag": None})
    assert told(log) == {"alpha"}
    assert {net.id for net in wanted(cloud, "alpha").networks} == {network, second}  # type: ignore[union-attr]


def test_a_host_that_is_reached_elsewhere_is_news_for_its_peers(cloud):
    network = a_network(cloud)
    for name, host in (("one", "alpha"), ("two", "beta")):
        cloud.create(name, networks=(on(network),), forced_host=host)
    wanted(cloud, "alpha")
    with cloud.bus.recording() as log:
        wanted(cloud, "beta")
    assert told(log) == {"alpha", "beta"}
    with cloud.bus.recording() as log:
        wanted(cloud, "beta")
    assert told(log) == set()


def test_a_cloud_without_networks_has_nothing_to_be_made(tmp_path):
    with Cloud(tmp_path, hosts=("alpha",)) as cloud:
        asked = wanted(cloud, "alpha")
        assert asked is not None
        assert (asked.networks, asked.ports) == ((), ())
        assert wanted(cloud, "alpha", asked.version) is None
