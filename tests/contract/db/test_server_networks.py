"""Servers with networks, on every database."""

from __future__ import annotations

from pathlib import Path

from novalite.db import interfaces
from novalite.networks.on_host.addresses import link_local
from novalite.rpc.contracts.guest_metadata import GuestMetadata
from novalite.rpc.contracts.interfaces import Interfaces
from novalite.rpc.contracts.servers import Tasks
from tests.cloud import PROJECT
from tests.networked import a_network, a_port, check_ports, interfaces_of, networked, on


def test_the_life_of_a_server_with_networks(tmp_path: Path, cloud_url: str | None) -> None:
    with networked(tmp_path, url=cloud_url) as cloud:
        first, second = a_network(cloud, "first", 1), a_network(cloud, "second", 2)
        given = a_port(cloud, second)
        server = cloud.boot("web", networks=(on(first, fixed_ip="10.1.0.7", tag="a"), on(port_id=given)))
        other = cloud.boot("db", networks=(on(first),))
        plain = cloud.boot("plain", networks="none")
        with cloud.db.read() as session:
            shown = interfaces.addresses(session, [server, other, plain])
            groups = interfaces.group_names(session, [server, plain])
            cards = interfaces.vifs(session, server)
        assert set(shown) == {server, other}
        assert list(shown[server]) == ["first", "second"]
        (address,) = shown[server]["first"]
        assert (address["addr"], address["version"], address["OS-EXT-IPS:type"]) == ("10.1.0.7", 4, "fixed")
        assert groups == {server: ["default"]}
        assert [(card.network_name, card.tag, card.mtu) for card in cards] == [
            ("first", "a", 1450), ("second", None, 1450),
        ]  # fmt: skip
        (held,) = cards[0].fixed_ips
        assert (held.address, held.subnet.cidr, held.subnet.gateway) == ("10.1.0.7", "10.1.0.0/24", "10.1.0.1")
        assert (held.subnet.dns, held.subnet.host_routes) == (("10.0.0.53",), (("10.9.0.0/16", "10.1.0.1"),))
        member = cloud.rest("admin")
        for asked, count in (("ip=10.1.0.7$", 1), ("ip=10.1", 2), ("ip=0.1", 0), ("ip6=10.1", 0), ("ip=1.%2B7", 1)):
            assert len(member.get(f"/servers?all_tenants=1&{asked}")["servers"]) == count, asked
        cloud.act(server, "stop")
        assert {one["port_state"] for one in interfaces_of(cloud, server)} == {"DOWN"}
        wanted = {"port_id": None, "net_id": first, "fixed_ips": None, "tag": None}
        made = cloud.client.of(Interfaces).attach(cloud.ctx, server, wanted)
        cloud.act(server, "start")
        check_ports(cloud)
        accepted = cloud.client.of(Interfaces).detach(cloud.ctx, server, made["port_id"])
        cloud.client.of(Tasks).poke(cloud.ctx, [str(accepted.task_id)])
        assert len(interfaces_of(cloud, server)) == 2
        cloud.delete(server)
        check_ports(cloud)
        assert interfaces_of(cloud, server) == []


def test_a_guest_is_known_by_where_it_is_and_leaves_one_password(tmp_path: Path, cloud_url: str | None) -> None:
    with networked(tmp_path, url=cloud_url) as cloud:
        first, second = a_network(cloud, "first", 1), a_network(cloud, "second", 1)
        server = cloud.boot("web", networks=(on(first, fixed_ip="10.1.0.7"),))
        other = cloud.boot("db", networks=(on(second, fixed_ip="10.1.0.7"),))
        a_port(cloud, first, fixed_ips=[{"ip_address": "10.1.0.9"}])
        here, there = cloud.show(server)["host"], cloud.show(other)["host"]
        metadata = cloud.client.of(GuestMetadata)

        def at(host: str, network: str, address: str) -> str | None:
            facts = metadata.of_address(cloud.ctx, host, network, address)
            return facts.server.id if facts else None

        assert (at(here, first, "10.1.0.7"), at(there, second, "10.1.0.7")) == (server, other)
        assert at("gamma", first, "10.1.0.7") is None
        assert at(here, first, "10.1.0.9") is None, "a port of nobody"
        mac = interfaces_of(cloud, server)[0]["mac_addr"]
        assert at(here, first, link_local(mac)) == server
        assert at(here, second, link_local(mac)) is None
        assert metadata.leave_password(cloud.ctx, server, "c2VhbGVk")
        assert not metadata.leave_password(cloud.ctx, server, "YW5vdGhlcg==")
        assert metadata.of_server(cloud.ctx, server, PROJECT).password == "c2VhbGVk"  # type: ignore[union-attr]
        assert metadata.of_server(cloud.ctx, server, "another") is None
        cloud.delete(server)
        assert at(here, first, "10.1.0.7") is None
        assert not metadata.leave_password(cloud.ctx, server, "c2VhbGVk")
