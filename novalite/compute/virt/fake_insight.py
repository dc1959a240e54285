"""What the fake hypervisor says of itself and of a running guest's work: small numbers that follow from what it is."""

from __future__ import annotations

from oslo_config import cfg

from novalite.compute.virt import fake_numa
from novalite.compute.virt.uptime import uptime
from novalite.objects.diagnostics import CpuUse, DiskUse, GuestDiagnostics
from novalite.objects.hosts import HostInventory
from novalite.objects.pci import PciDevice

NMI = "Uhhuh. NMI received for unknown reason 30 on CPU 0.\nDazed and confused, but trying to continue\n"
PASSWORD = "novalite-guest: a password was changed\n"
BOOT_NS = 1_204_410_000
"""CPU time of the boot that its console shows."""


def diagnostics(vcpus: int, ram_mb: int, root_mb: int, boots: int) -> GuestDiagnostics:
    """Of a guest that booted that often. Its driver is told as libvirt: the published list has no fake one."""
    cpus = tuple(CpuUse(time_ns=BOOT_NS * boots // vcpus) for _ in range(vcpus))
    disk = DiskUse(name="vda", read_bytes=262144 * boots, read_requests=112 * boots, write_bytes=5778432 * boots,
                   write_requests=488 * boots, errors=0)  # fmt: skip
    return GuestDiagnostics(hypervisor="fake", cpus=cpus, disks=(disk,) if root_mb else (), memory_mb=ram_mb,
                            memory_used_mb=ram_mb // 4)  # fmt: skip


def inventory(conf: cfg.ConfigOpts, host: str, devices: tuple[PciDevice, ...]) -> HostInventory:
    """What a fake host has, as configured."""
    options = conf.fake_driver
    return HostInventory(
        host=host, node=host, hypervisor_type="fake", hypervisor_version=1000,
        host_ip=conf.compute.my_ip, vcpus=options.vcpus, ram_mb=options.ram_mb,
        disk_gb=options.disk_gb, disk_available_least_gb=options.disk_gb,
        cpu_info={"arch": "x86_64", "model": "fake", "vendor": "novalite", "features": [],
                  "topology": {"sockets": 1, "cores": options.vcpus, "threads": 1}},
        pci_devices=devices, numa=fake_numa.topology(options), uptime=uptime(),
    )  # fmt: skip
