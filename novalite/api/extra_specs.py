"""Which extra specs of flavors are known and what their values are: checked from microversion 2.86 on.

A name in a known namespace must be known itself; other namespaces, and plain words, belong to operators and
third-party filters, so everything goes there. Before 2.86 only the form of keys is checked.
Source: Compute guide, "Extra specs"; resource classes: Placement guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from novalite.api.schemas import FALSE_WORDS, TRUE_WORDS
from novalite.errors import BadRequest

CHECKED_SINCE = 86


@dataclass(frozen=True)
class Kind:
    """What a value may be: one of `words`, an integer from `low` on, or text that matches `pattern`."""

    says: str
    words: frozenset[str] = frozenset()
    low: int | None = None
    high: int | None = None
    pattern: str | None = None

    def takes(self, value: str) -> bool:
        """Whether the value is one."""
        if self.words:
            return value in self.words
        if self.low is not None:
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                return False
            return self.low <= int(value) and (self.high is None or int(value) <= self.high)
        return self.pattern is None or re.fullmatch(self.pattern, value) is not None


def one_of(*words: str) -> Kind:
    """A choice."""
    return Kind("one of " + ", ".join(words), words=frozenset(words))


def matching(pattern: str, says: str) -> Kind:
    """Text of a form."""
    return Kind(says, pattern=pattern)


FLAG = Kind("a boolean", words=TRUE_WORDS | FALSE_WORDS | frozenset({"t", "T", "y", "Y", "f", "F", "n", "N"}))
ANY = Kind("text")
COUNT = Kind("an integer of at least 0", low=0)
SOME = Kind("an integer of at least 1", low=1)
CPUS = matching(r"\^?\d{1,6}(-\d{1,6})?(,\^?\d{1,6}(-\d{1,6})?){0,255}", "a list of CPUs such as 0-3,^2")
SIZE = matching(
    r"large|small|any|\d{1,12}([kKMGT]i?)?(b|bit|B)?", "large, small, any or a size such as 2MB"
)
ALIASES = matching(r"[^:,\s]+:\d{1,6}(\s*,\s*[^:,\s]+:\d{1,6}){0,63}", "a list of alias:count")
FACTOR = matching(r"\d{1,9}(\.\d{1,9})?", "a number")
SHARES = one_of("high", "normal", "low", "custom")

SPECS: dict[str, Kind] = {
    "accel:device_profile": ANY,
    "group_policy": one_of("none", "isolate"),
    "hide_hypervisor_id": FLAG,
    **dict.fromkeys(
        (
            "hw:boot_menu", "hw:cpu_realtime", "hw:ephemeral_encryption", "hw:hide_hypervisor_id",
            "hw:locked_memory", "hw:mem_encryption", "hw:pmu", "hw:vif_multiqueue_enabled",
            "hw:virtio_packed_ring", "hw_rng:allowed", "powervm:dedicated_proc", "powervm:uncapped",
        ),
        FLAG,
    ),
    **dict.fromkeys(
        (
            "hw:cpu_sockets", "hw:cpu_cores", "hw:cpu_threads", "hw:cpu_max_sockets", "hw:cpu_max_cores",
            "hw:cpu_max_threads", "hw:numa_nodes",
        ),
        SOME,
    ),
    **dict.fromkeys(
        ("hw:serial_port_count", "hw:maxphysaddr_bits", "hw_rng:rate_bytes", "hw_rng:rate_period",
         "hw_video:ram_max_mb"),
        COUNT,
    ),
    "hw:cpu_realtime_mask": CPUS,
    "hw:cpu_dedicated_mask": CPUS,
    "hw:cpu_policy": one_of("dedicated", "shared", "mixed"),
    "hw:cpu_thread_policy": one_of("prefer", "isolate", "require"),
    "hw:emulator_threads_policy": one_of("isolate", "share"),
    "hw:ephemeral_encryption_format": one_of("luks"),
    "hw:maxphysaddr_mode": one_of("passthrough", "emulate"),
    "hw:mem_encryption_model": one_of("amd-sev", "amd-sev-es"),
    "hw:mem_page_size": SIZE,
    "hw:pci_numa_affinity_policy": one_of("required", "preferred", "legacy", "socket"),
    "hw:redirected_usb_ports": Kind("an integer from 0 to 15", low=0, high=15),
    "hw:sound_model": one_of("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"),
    "hw:tpm_model": one_of("tpm-tis", "tpm-crb"),
    "hw:tpm_secret_security": one_of("user", "host", "deployment"),
    "hw:tpm_version": one_of("1.2", "2.0"),
    "hw:usb_model": one_of("none", "piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "vt82c686b-uhci",
                           "pci-ohci", "nec-xhci", "qemu-xhci"),
    "hw:viommu_model": one_of("intel", "smmuv3", "virtio", "auto"),
    "hw:watchdog_action": one_of("none", "pause", "poweroff", "reset", "disabled"),
    "os:secure_boot": one_of("required", "disabled", "optional"),
    "pci_passthrough:alias": ALIASES,
    "powervm:availability_priority": Kind("an integer from 0 to 255", low=0, high=255),
    "powervm:dedicated_sharing_mode": one_of(
        "share_idle_procs", "keep_idle_procs", "share_idle_procs_active", "share_idle_procs_always"
    ),
    **dict.fromkeys(("powervm:min_mem", "powervm:max_mem"), Kind("an integer of at least 256", low=256)),
    **dict.fromkeys(("powervm:min_vcpu", "powervm:max_vcpu"), SOME),
    **dict.fromkeys(("powervm:proc_units", "powervm:min_proc_units", "powervm:max_proc_units"), FACTOR),
    "powervm:ppt_ratio": one_of("1:1", "1:2", "1:4", "1:8", "1:16", "1:32", "1:64", "1:128", "1:256",
                                "1:512", "1:1024", "1:2048", "1:4096"),
    "powervm:processor_compatibility": ANY,
    "powervm:shared_weight": Kind("an integer from 0 to 255", low=0, high=255),
    "powervm:srr_capability": FLAG,
    **{f"quota:cpu_{what}": COUNT for what in ("shares", "period", "quota")},
    **{f"quota:disk_{way}_{unit}_sec": COUNT for way in ("read", "write", "total") for unit in ("bytes", "iops")},
    **{f"quota:vif_{way}_{what}": COUNT for way in ("inbound", "outbound") for what in ("average", "peak", "burst")},
    **{f"quota:{thing}_{what}": COUNT for thing in ("cpu", "memory", "disk_io", "vif")
       for what in ("limit", "reservation", "shares_share")},
    **{f"quota:{thing}_shares_level": SHARES for thing in ("cpu", "memory", "disk_io", "vif")},
    "vmware:hw_version": ANY,
    "vmware:storage_policy": ANY,
}  # fmt: skip
"""Extra specs with one fixed name."""

_GROUP = r"([a-zA-Z0-9_-]{1,64})?"
RESOURCES = (
    "VCPU", "PCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE",
    "NUMA_THREAD", "NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "PGPU", "FPGA",
    "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC", "MEM_ENCRYPTION_CONTEXT",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
)  # fmt: skip
CAPABILITIES = (
    "id", "uuid", "service_id", "host", "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used",
    "local_gb_used", "hypervisor_type", "hypervisor_version", "hypervisor_hostname", "free_ram_mb",
    "free_disk_gb", "current_workload", "running_vms", "disk_available_least", "host_ip", "mapped",
    "cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio", "total_usable_ram_mb",
    "total_usable_disk_gb", "disk_mb_used", "free_disk_mb", "vcpus_total", "num_instances", "num_io_ops",
)  # fmt: skip
PATTERNS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"aggregate_instance_extra_specs:.+"), ANY),
    (re.compile(rf"capabilities:({'|'.join(CAPABILITIES)})"), ANY),
    (re.compile(r"capabilities:(cpu_info|metrics|stats|numa_topology|supported_hv_specs|pci_stats)(:.+)?"), ANY),
    (re.compile(r"hw:numa_cpus\.\d{1,4}"), CPUS),
    (re.compile(r"hw:numa_mem\.\d{1,4}"), SOME),
    (re.compile(rf"resources{_GROUP}:({'|'.join(RESOURCES)}|CUSTOM_[A-Z0-9_]+)"), COUNT),
    (re.compile(rf"trait{_GROUP}:[A-Z0-9_]{{1,255}}"), one_of("required", "forbidden")),
)
"""Extra specs whose names hold something: a cell, a group, a resource class, a trait."""

_SPACES = frozenset(
    [name.partition(":")[0] for name in SPECS if ":" in name] + ["aggregate_instance_extra_specs", "capabilities"]
)
_SPACE = re.compile(rf"({'|'.join(sorted(_SPACES))}|(resources|trait){_GROUP}):.*", re.DOTALL)


def kind_of(name: str) -> Kind | None:
    """What values of an extra spec are; None for a name that this table does not know."""
    if (found := SPECS.get(name)) is not None:
        return found
    return next((kind for pattern, kind in PATTERNS if pattern.fullmatch(name)), None)


def problems(specs: Mapping[str, str]) -> Iterator[str]:
    """One sentence for each extra spec that is unknown in a known namespace, or has a wrong value."""
    for name, value in specs.items():
        kind = kind_of(name)
        if kind is None:
            if _SPACE.fullmatch(name):
                yield f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec."
        elif not kind.takes(value):
            yield f"Validation failed; extra spec '{name}' must be {kind.says}, not '{value[:60]}'."


def check(specs: Mapping[str, str], minor: int) -> None:
    """BadRequest for the first problem, from 2.86 on."""
    if minor < CHECKED_SINCE:
        return
    found: Iterable[str] = problems(specs)
    for sentence in found:
        raise BadRequest(sentence)
