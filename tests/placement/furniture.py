"""What the shipped tests find when they begin, made through our REST API. By the names that they use for it.

The providers, amounts and traits are those that the tests count on; they are facts of the package's fixtures.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from typing import Any

from werkzeug.test import Client

from tests.placement.mounted import LEGACY, OPEN, PUBLISHED, App

SHARES = "MISC_SHARES_VIA_AGGREGATE"


def new_uuid() -> str:
    return str(uuid.uuid4())


def name_things() -> None:
    """Names and ids that any of the tests may use, in the environment, where they look for them."""
    for name in (
        "RP_UUID", "RP_NAME", "RP_UUID1", "RP_NAME1", "RP_UUID2", "RP_NAME2", "PROJECT_ID", "ADMIN_PROJECT_ID",
        "SERVICE_PROJECT_ID", "USER_ID", "PROJECT_ID_ALT", "USER_ID_ALT", "INSTANCE_UUID", "MIGRATION_UUID",
        "CONSUMER_UUID", "PARENT_PROVIDER_UUID", "ALT_PARENT_PROVIDER_UUID", "ALT_USER_ID", "ALT_RP_UUID",
        "ALT_RP_NAME",
    ):  # fmt: skip
        os.environ[name] = new_uuid()
    for suffix in ("", "1", "2"):
        os.environ[f"CUSTOM_RES_CLASS{suffix}"] = f"CUSTOM_IRON_NFV{suffix}"


class Maker:
    """Makes providers and what they have, by requests that must succeed."""

    def __init__(self, app: App) -> None:
        self.http = Client(app)
        self.known: set[str] = set()

    def __call__(self, method: str, path: str, body: Any = None, version: str = "latest") -> Any:
        reply = self.http.open(
            path,
            method=method,
            headers={"X-Auth-Token": "admin", "OpenStack-API-Version": f"placement {version}"},
            **({"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}),
        )
        assert reply.status_code < 300, (method, path, body, reply.status_code, reply.text)
        return json.loads(reply.text) if reply.text else None

    def _know(self, kind: str, name: str) -> None:
        if name.startswith("CUSTOM_") and name not in self.known:
            self("PUT", f"/{kind}/{name}")
            self.known.add(name)

    def generation(self, rp: str) -> int:
        return int(self("GET", f"/resource_providers/{rp}")["generation"])

    def provider(
        self,
        name: str,
        *aggregates: str,
        parent: str | None = None,
        traits: tuple[str, ...] = (),
        env: str | None = None,
        rp: str | None = None,
        **amounts: Any,
    ) -> str:
        """Its uuid, also in the environment as `env`. `amounts`: a total by class, or the fields of the inventory."""
        rp = rp or new_uuid()
        self("POST", "/resource_providers", {"name": name, "uuid": rp, "parent_provider_uuid": parent})
        if env:
            os.environ[env] = rp
        if aggregates:
            self.join(rp, *aggregates)
        for resource_class, amount in amounts.items():
            self.inventory(rp, resource_class, amount)
        if traits:
            self.traits(rp, *traits)
        return rp

    def join(self, rp: str, *aggregates: str) -> None:
        self("PUT", f"/resource_providers/{rp}/aggregates", list(aggregates), version="1.1")

    def inventory(self, rp: str, resource_class: str, amount: int | dict[str, Any]) -> None:
        self._know("resource_classes", resource_class)
        fields = amount if isinstance(amount, dict) else {"total": amount}
        body = {"resource_class": resource_class, "max_unit": fields["total"], **fields}
        self("POST", f"/resource_providers/{rp}/inventories", body)

    def traits(self, rp: str, *names: str) -> None:
        for name in names:
            self._know("traits", name)
        body = {"traits": list(names), "resource_provider_generation": self.generation(rp)}
        self("PUT", f"/resource_providers/{rp}/traits", body)

    def consumer(self, rp: str, user: str, project: str, **amounts: int) -> str:
        """The id of a new consumer that holds these."""
        consumer = new_uuid()
        body = {"allocations": {rp: {"resources": amounts}}, "user_id": user, "project_id": project,
                "consumer_generation": None}  # fmt: skip
        self("PUT", f"/allocations/{consumer}", body, version="1.28")
        return consumer


# --- one function for each fixture -------------------------------------------------------------------------


def nothing(make: Maker) -> None:
    """No provider at all."""


def allocations(make: Maker) -> None:
    """A provider of which three consumers hold something, two of them of one user."""
    env = os.environ
    rp = make.provider(env["RP_NAME"], rp=env["RP_UUID"])
    make.inventory(rp, "DISK_GB", {"total": 2048, "step_size": 10, "min_unit": 10, "max_unit": 1000})
    make.inventory(rp, "VCPU", 10)
    env["CONSUMER_0"] = make.consumer(rp, env["USER_ID"], env["PROJECT_ID"], DISK_GB=1000)
    env["CONSUMER_ID"] = make.consumer(rp, env["USER_ID"], env["PROJECT_ID"], VCPU=6)
    env["ALT_CONSUMER_ID"] = make.consumer(rp, env["ALT_USER_ID"], env["PROJECT_ID"], DISK_GB=20, VCPU=1)


def _aggregates(**names: str) -> list[str]:
    for name in names.values():
        os.environ[name] = new_uuid()
    return [os.environ[name] for name in names.values()]


_STORE = {"total": 2000, "reserved": 100, "allocation_ratio": 1.0}


def shared_storage(make: Maker) -> None:
    """Two hosts with cells and devices, two stores that share with both; one host has a disk of its own."""
    (agg,) = _aggregates(a="AGG_UUID")
    of_host: dict[str, Any] = {
        "VCPU": {"total": 24, "allocation_ratio": 16.0},
        "MEMORY_MB": {"total": 128 * 1024, "allocation_ratio": 1.5},
    }
    sse = ("HW_CPU_X86_SSE", "HW_CPU_X86_SSE2")
    hosts = [
        make.provider("cn1", agg, env="CN1_UUID", traits=sse, **of_host),
        make.provider("cn2", agg, env="CN2_UUID", **of_host, DISK_GB=_STORE),
    ]
    for name in ("ss", "ss2"):
        make.provider(name, agg, env=f"{name.upper()}_UUID", traits=(SHARES,), DISK_GB=_STORE)
    for h, host in enumerate(hosts, 1):
        for n in (1, 2):
            cell = make.provider(f"numa{h}_{n}", parent=host, env=f"NUMA{h}_{n}_UUID")
            make.provider(f"pf{h}_{n}", parent=cell, env=f"PF{h}_{n}_UUID", SRIOV_NET_VF=8)


def cells_in_aggregates(make: Maker) -> None:
    """Two hosts whose CPUs are in their cells; a store shares with both, another one with one cell."""
    a, b, c = _aggregates(a="AGGA_UUID", b="AGGB_UUID", c="AGGC_UUID")
    first = make.provider("cn1", a, env="CN1_UUID")
    second = make.provider("cn2", a, b, env="CN2_UUID")
    make.provider("ss1", a, env="SS1_UUID", traits=(SHARES,), DISK_GB=_STORE)
    make.provider("ss2", c, env="SS2_UUID", traits=(SHARES,), DISK_GB=_STORE)
    cpus = {"total": 24, "allocation_ratio": 16.0}
    make.provider("numa1_1", c, parent=first, env="NUMA1_1_UUID", VCPU=cpus)
    make.provider("numa1_2", parent=first, env="NUMA1_2_UUID", VCPU=cpus)
    make.provider("numa2_1", parent=second, env="NUMA2_1_UUID", VCPU=cpus)
    make.provider("numa2_2", parent=second, env="NUMA2_2_UUID", VCPU=cpus)


def cells_and_networks(make: Maker, above: tuple[str | None, str | None] = (None, None)) -> None:
    """A host with all it has in cells and agents, a host with NICs, and a store that shares with both. `above`: what
    hangs over the two hosts."""
    (agg,) = _aggregates(a="AGGA_UUID")
    make.provider("ss1", agg, env="SS1_UUID", traits=(SHARES,), DISK_GB=2000)
    first = make.provider(
        "cn1", agg, parent=above[0], env="CN1_UUID", traits=("COMPUTE_VOLUME_MULTI_ATTACH",)
    )
    user, project = new_uuid(), new_uuid()
    left = {"total": 2048, "min_unit": 512, "step_size": 256}
    right = {"total": 2048, "min_unit": 256, "max_unit": 1024}
    cells = [
        make.provider("numa0", parent=first, env="NUMA0_UUID", traits=("HW_NUMA_ROOT",), VCPU=4, MEMORY_MB=left),
        make.provider("numa1", parent=first, env="NUMA1_UUID", traits=("HW_NUMA_ROOT", "CUSTOM_FOO"), VCPU=4,
                      MEMORY_MB=right),
    ]  # fmt: skip
    make.consumer(cells[0], user, project, VCPU=2)
    make.provider("fpga0", parent=cells[0], env="FPGA0_UUID", FPGA=1)
    make.provider("pgpu0", parent=cells[0], env="PGPU0_UUID", VGPU=8)
    for n in (0, 1):
        make.provider(f"fpga1_{n}", parent=cells[1], env=f"FPGA1_{n}_UUID", FPGA=1)
    bandwidth = "NET_BW_EGR_KILOBIT_PER_SEC"
    sriov = make.provider(
        "sriov_agent", parent=first, env="SRIOV_AGENT_UUID", traits=("CUSTOM_VNIC_TYPE_DIRECT",)
    )
    for n in (1, 2):
        physnet = (f"CUSTOM_PHYSNET{n}",)
        make.provider(f"esn{n}", parent=sriov, env=f"ESN{n}_UUID", traits=physnet, **{bandwidth: 10000 * n})
    ovs = make.provider("ovs_agent", parent=first, env="OVS_AGENT_UUID", traits=("CUSTOM_VNIC_TYPE_NORMAL",))
    make.provider("br_int", parent=ovs, env="BR_INT_UUID", traits=("CUSTOM_PHYSNET0",), **{bandwidth: 1000})
    memory = {"total": 2048, "min_unit": 1024, "step_size": 128}
    second = make.provider(
        "cn2",
        agg,
        parent=above[1],
        env="CN2_UUID",
        traits=("CUSTOM_FOO",),
        VCPU=8,
        MEMORY_MB=memory,
        DISK_GB=1000,
    )
    make.consumer(second, user, project, VCPU=3)
    for nic, ports in ((1, ((1, 4), (2, 4))), (2, ((1, 2), (2, 2), (1, 2), (2, 2))), (3, ((1, 8),))):
        card = make.provider(f"nic{nic}", parent=second, env=f"NIC{nic}_UUID", traits=("CUSTOM_HW_NIC_ROOT",))
        for n, (net, functions) in enumerate(ports, 1):
            name, physnet = f"pf{nic}_{n}", (f"CUSTOM_PHYSNET{net}",)
            make.provider(name, parent=card, env=f"{name.upper()}_UUID", traits=physnet, CUSTOM_VF=functions)


def deep_cells_and_networks(make: Maker) -> None:
    """The same under empty parents and a grandparent."""
    top = make.provider("gp1")
    cells_and_networks(make, (make.provider("p1", parent=top), make.provider("p2", parent=top)))


def local_storage(make: Maker) -> None:
    """Three hosts of which each has all."""
    _aggregates(a="AGGA_UUID", b="AGGB_UUID", c="AGGC_UUID")
    for n in (1, 2, 3):
        make.provider(f"cn{n}", env=f"CN{n}_UUID", VCPU=24, MEMORY_MB=128 * 1024, DISK_GB=2000)


def granular(make: Maker) -> None:
    """Three hosts, two stores and a network that share with some of them."""
    a, b, c = _aggregates(a="AGGA", b="AGGB", c="AGGC")
    avx = ("HW_CPU_X86_AVX", "HW_CPU_X86_AVX2")
    basic: dict[str, Any] = {"VCPU": 8, "MEMORY_MB": 4096}
    net = {"SRIOV_NET_VF": 8, "CUSTOM_NET_MBPS": 4000}
    make.provider(
        "cn_left", a, env="CN_LEFT", traits=(*avx, "HW_GPU_API_DXVA", "HW_NIC_DCB_PFC", "CUSTOM_FOO"),
        **basic, DISK_GB=500, VGPU=8, **net,
    )  # fmt: skip
    make.provider("cn_middle", a, b, env="CN_MIDDLE", traits=(*avx, "HW_CPU_X86_SSE", "HW_NIC_ACCEL_TLS"),
                  **basic, **net)  # fmt: skip
    make.provider("cn_right", b, c, env="CN_RIGHT", traits=("HW_CPU_X86_MMX", "HW_GPU_API_DXVA", "CUSTOM_DISK_SSD"),
                  **basic, DISK_GB=500, VGPU={"total": 8, "max_unit": 2})  # fmt: skip
    make.provider("shr_disk_1", a, env="SHR_DISK_1", traits=(SHARES, "CUSTOM_DISK_SSD"), DISK_GB=1000)
    make.provider("shr_disk_2", a, b, env="SHR_DISK_2", traits=(SHARES,), DISK_GB=1000)
    make.provider("shr_net", c, env="SHR_NET", traits=(SHARES,), SRIOV_NET_VF=16, CUSTOM_NET_MBPS=40000)


def network_segments(make: Maker) -> None:
    """Four hosts with bridges and devices on no, one, the other and both segments of a network."""
    normal = "CUSTOM_VNIC_TYPE_NORMAL"
    direct = ("CUSTOM_VNIC_TYPE_DIRECT", "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL", "CUSTOM_VNIC_TYPE_MACVTAP")
    both = ("MSN_S1", "MSN_S2")

    def way(speed: int) -> dict[str, Any]:
        return {"NET_BW_EGR_KILOBIT_PER_SEC": speed, "NET_BW_IGR_KILOBIT_PER_SEC": speed}

    for number, nets in enumerate((("OTHER",), ("MSN_S1",), ("MSN_S2",), both)):
        name = f"compute{number}"
        host = make.provider(name, env=name, VCPU=8, MEMORY_MB=4096, DISK_GB=500)
        ovs = make.provider(f"{name}:Open vSwitch agent", parent=host, env=f"{name}:ovs_agent", traits=(normal,),
                            NET_PACKET_RATE_KILOPACKET_PER_SEC=1000)  # fmt: skip
        nic = make.provider(f"{name}:NIC Switch agent", parent=host, env=f"{name}:sriov_agent", traits=direct)
        for n, net in enumerate(nets):
            physnet = f"CUSTOM_PHYSNET_{net}"
            slow, fast = way(1000 if nets is both else 5000), way(1000 if nets is both else 10000)
            bridge = f"br_ex{n + 1 if n else ''}"
            make.provider(
                f"{name}:{bridge}", parent=ovs, env=f"{name}:{bridge}", traits=(normal, physnet), **slow
            )
            make.provider(f"{name}:pf{n}", parent=nic, env=f"{name}:pf{n}", traits=(*direct, physnet), **fast)


FIXTURES: dict[str, tuple[Callable[[Maker], None], dict[str, str]]] = {
    "APIFixture": (nothing, LEGACY),
    "OpenPolicyFixture": (nothing, OPEN),
    "SecureRBACPolicyFixture": (nothing, PUBLISHED),
    "LegacyRBACPolicyFixture": (nothing, LEGACY),
    "CORSFixture": (nothing, LEGACY),
    "AllocationFixture": (allocations, LEGACY),
    "SharedStorageFixture": (shared_storage, LEGACY),
    "NUMAAggregateFixture": (cells_in_aggregates, LEGACY),
    "NUMANetworkFixture": (cells_and_networks, LEGACY),
    "DeepNUMANetworkFixture": (deep_cells_and_networks, LEGACY),
    "NonSharedStorageFixture": (local_storage, LEGACY),
    "GranularFixture": (granular, LEGACY),
    "NeutronQoSMultiSegmentFixture": (network_segments, LEGACY),
}
"""By the name of a fixture in the files: what is there, and the policies."""
