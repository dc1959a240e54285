"""Hosts and requests for scheduler tests: each takes only what the test is about."""

from __future__ import annotations

from typing import Any

from novalite.conf.load import for_tests
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import HostRow
from novalite.objects.numa import GuestCell, GuestTopology, HostCell, HostTopology, HostUse
from novalite.objects.pci import PciMatch, PciPool, PciRequest
from novalite.objects.scheduling import GroupRequest, RequestSpec
from novalite.scheduler import registry
from novalite.scheduler.columns import Hosts
from novalite.scheduler.pipeline import Plan
from novalite.scheduler.store import Store

NOW = 1_000_000.0


def a_host(name: str = "node1", **facts: Any) -> HostRow:
    """An idle host with 16 vCPUs, 32 GB and 500 GB, alive at NOW."""
    told: dict[str, Any] = {
        "node": name, "version": 1, "generation": 1, "enabled": True, "forced_down": False,
        "last_seen": NOW, "zone": "nova", "cap_vcpus": 16, "cap_ram_mb": 32768, "cap_disk_gb": 500,
        "used_vcpus": 0, "used_ram_mb": 0, "used_disk_gb": 0, "servers": 0,
    }  # fmt: skip
    return HostRow(host=name, **{**told, **facts})


def a_spec(
    server_id: str = "server", vcpus: int = 1, ram_mb: int = 1024, disk_gb: int = 10, **asked: Any
) -> RequestSpec:
    """A request for one small server."""
    sizes: dict[str, Any] = {k: asked.pop(k) for k in ("ephemeral_gb", "swap_mb") if k in asked}
    sizes["extra_specs"] = asked.pop("extra_specs", {})
    flavor = Flavor(flavor_id="1", name="small", vcpus=vcpus, ram_mb=ram_mb, disk_gb=disk_gb, **sizes)
    return RequestSpec(server_id=server_id, flavor=flavor, **asked)


def group(policy: str, most: int = 1, **members: int) -> GroupRequest:
    """A server group with so many members on each host."""
    return GroupRequest(policy=policy, max_per_host=most, hosts=members)


def gpus(free: int, product: str = "gpu") -> dict[str, Any]:
    """A host with so many free devices of one kind."""
    return {"pci_pools": (PciPool(vendor_id="v", product_id=product, free=free),)}


def wants_gpus(count: int, product: str = "gpu") -> dict[str, Any]:
    """A request for so many of them."""
    return {"pci_requests": (PciRequest(alias=product, count=count, any_of=(PciMatch(product_id=product),)),)}


def cells(*cpus: str, used: str = "") -> dict[str, Any]:
    """A host with such cells of dedicated CPUs and 1000 MB, of which some are in use."""
    made = tuple(HostCell(id=at, memory_mb=1000, cpus=text, dedicated=text) for at, text in enumerate(cpus))
    taken = HostUse(pinned=used).model_dump_json() if used else ""
    return {"numa": HostTopology(cells=made).model_dump_json(), "numa_used": taken}


def wants_cpus(*counts: int, ram_mb: int = 100) -> dict[str, Any]:
    """A request for a guest with so many CPUs of its own in each of its cells."""
    numbers = iter(range(sum(counts)))
    made = tuple(GuestCell(cpus=tuple(next(numbers) for _ in range(n)), memory_mb=ram_mb) for n in counts)
    return {"vcpus": sum(counts), "numa": GuestTopology(cells=made, dedicated=tuple(range(sum(counts))))}


def hosts(*rows: HostRow, now: float = NOW) -> Hosts:
    """These hosts as columns."""
    return Hosts(Store(rows), now)


def a_plan(**options: Any) -> Plan:
    """The pipeline of the default configuration with [scheduler] options changed; no shuffling."""
    options = {"shuffle_best_same_weighed_hosts": False, **options}
    return registry.plan(for_tests({f"scheduler.{k}": v for k, v in options.items()}))
