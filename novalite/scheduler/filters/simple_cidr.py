"""The hints build_near_host_ip and cidr: only hosts of that part of the network."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask

Network = IPv4Network | IPv6Network


class SimpleCIDRAffinityFilter:
    """Hosts whose address is in the network of `build_near_host_ip` with the prefix `cidr` (/24 when not said)."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if "build_near_host_ip" not in spec.hints:
            return True
        near = _network(spec)
        if near is None:
            return np.zeros(len(hosts), dtype=bool)
        inside = (_inside(hosts.address(at), near) for at in range(len(hosts)))
        return np.fromiter(inside, bool, len(hosts))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        near = _network(spec)
        if near is None:
            return "the hints build_near_host_ip and cidr name no network"
        return f"needs an address in {near}, has {host.host_ip or 'none'}"


def _network(spec: RequestSpec) -> Network | None:
    prefix = str(spec.hints.get("cidr") or "/24").lstrip("/")
    address = spec.hints["build_near_host_ip"]
    address = address[0] if isinstance(address, list) and address else address
    try:
        return ip_network(f"{address}/{prefix}", strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=200_000)
def _inside(address: str, network: Network) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:
        return False
