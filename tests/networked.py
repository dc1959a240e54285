"""Clouds with networks: what tests plug servers into, and what must hold of ports whatever happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from novalite.db import interfaces
from novalite.db.models.compute import Server, new_id
from novalite.db.models.networks import IpAllocation, Network, NetworkPort, Subnet
from novalite.db.networks import ports
from novalite.objects.base import Record
from tests.cloud import PROJECT, Cloud

EMBEDDED: dict[str, Any] = {"networks.service": "embedded", "host_networks.routers": False}
"""Hosts say nothing of their networks by themselves: tests say it for them."""


def networked(folder: Path, **more: Any) -> Cloud:
    """A cloud with networks and, unless told otherwise, two hosts."""
    overrides = {**EMBEDDED, **more.pop("overrides", {})}
    return Cloud(folder, **{"hosts": ("alpha", "beta"), "overrides": overrides, **more})


def a_network(cloud: Cloud, name: str = "private", number: int = 0, project: str = PROJECT, **values: Any) -> str:
    """A network with the subnet 10.<number>.0.0/24; answers its id."""
    network_id = new_id()
    row = {"id": network_id, "project_id": project, "name": name, "network_type": "vxlan", "mtu": 1450,
           "segmentation_id": 100 + number}  # fmt: skip
    pools = [{"start": f"10.{number}.0.2", "end": f"10.{number}.0.254"}]
    subnet = {"id": new_id(), "network_id": network_id, "project_id": project, "ip_version": 4,
              "cidr": f"10.{number}.0.0/24", "gateway_ip": f"10.{number}.0.1", "allocation_pools": pools,
              "dns_nameservers": ["10.0.0.53"], "host_routes": [{"destination": "10.9.0.0/16",
              "nexthop": f"10.{number}.0.1"}]}  # fmt: skip
    with cloud.db.begin() as session:
        session.execute(insert(Network).values(**row, **values))
        session.execute(insert(Subnet).values(**subnet))
    return network_id


def a_port(cloud: Cloud, network_id: str, project: str = PROJECT, **values: Any) -> str:
    """A port that is nobody's; answers its id."""
    made = cloud.db.run(
        lambda session: ports.create(session, {"network_id": network_id, "project_id": project, **values})
    )
    return str(made["id"])


def on(network_id: str | None = None, **said: Any) -> Record:
    """An interface of a request."""
    return {"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None, **said}


def port(cloud: Cloud, port_id: str) -> Record | None:
    """The port's row, or None."""
    with cloud.db.read() as session:
        found = ports.of_ids(session, [port_id])
    return found[0] if found else None


def interfaces_of(cloud: Cloud, server_id: str) -> list[Record]:
    """Every interface of a server."""
    with cloud.db.read() as session:
        return interfaces.of_server(session, server_id)


def check_ports(cloud: Cloud) -> None:
    """What must hold whenever nothing is going on: ports belong to servers that are there, are where these are, are
    up when the guests run, and are what the guests have; no address is held by nobody."""
    with cloud.db.read() as session:
        servers = {s.id: s for s in session.execute(select(Server)).scalars()}
        plugged = session.execute(select(NetworkPort).where(NetworkPort.device_index > 0)).scalars().all()
        held = set(session.scalars(select(IpAllocation.port_id)))
        everything = set(session.scalars(select(NetworkPort.id)))
    assert held <= everything, "addresses of ports that are gone"
    of: dict[str, list[str]] = {}
    for one in sorted(plugged, key=lambda p: (p.device_index, p.id)):
        server = servers[one.device_id]
        assert not server.deleted, "a port of a server that is gone"
        assert one.host == (server.host or ""), f"a port on {one.host!r} of a server on {server.host!r}"
        up = bool(one.host) and server.power_state in (1, 3)
        assert one.status == ("ACTIVE" if up else "DOWN"), (one.status, server.power_state)
        of.setdefault(one.device_id, []).append(one.id)
    for name in cloud.host_names:
        for guest in cloud.driver(name).guests():
            assert sorted(cloud.driver(name).guest(guest.server_id).vifs) == sorted(of.get(guest.server_id, []))
