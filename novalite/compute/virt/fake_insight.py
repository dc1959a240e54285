"""What the fake hypervisor says of a running guest's work: small numbers that follow from what it is."""

from __future__ import annotations

from novalite.objects.diagnostics import CpuUse, DiskUse, GuestDiagnostics

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
