"""The domain XML of a guest, against golden files and against libvirt's own schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from novalite.compute.virt.libvirt import node_devices, vifs
from novalite.compute.virt.libvirt.disks import CONFIG, plan, while_rescued
from novalite.compute.virt.libvirt.hardware import HostFacts, decide
from novalite.compute.virt.libvirt.xml.devices import Disk
from novalite.compute.virt.libvirt.xml.domain import Domain, LocalDisk, Mark, domain
from novalite.conf import load
from novalite.objects.host_networks import Vif
from novalite.objects.numa import Placed, PlacedCell
from novalite.objects.pci import GivenDevice
from novalite.objects.servers import GuestSpec, Rescue
from tests.golden.plugin import FOLDER
from tests.unit.compute.libvirt.guests import SERVER, a_flavor, a_guest, an_image

QEMU = HostFacts(virt_type="qemu", arch="x86_64", disk_cache="none")
KVM = HostFacts(virt_type="kvm", arch="x86_64", disk_cache="none")
FOLDER_OF_GUEST = f"/var/lib/novalite/instances/{SERVER}"


def xml_of(
    spec: GuestSpec,
    host: HostFacts = QEMU,
    settings: dict[str, Any] | None = None,
    drive: str = "cdrom",
) -> str:
    """The XML as the driver would define it, with this release's number taken out."""
    conf = load.for_tests({key if "." in key else f"libvirt.{key}": value for key, value in (settings or {}).items()})
    planned = plan(spec)
    if spec.rescue is not None:
        planned = while_rescued(spec.rescue, planned)
    first = planned[-1 if spec.rescue and spec.rescue.stable else 0] if planned else None
    disks = [LocalDisk(f"{FOLDER_OF_GUEST}/{disk.name}", disk.format, disk is first, disk.device, disk.bus)
             for disk in planned]
    if spec.config_drive:
        disks.append(LocalDisk(f"{FOLDER_OF_GUEST}/{CONFIG}", "raw", device=drive))
    hardware = decide(spec, conf.libvirt, conf.vnc, host)
    cards = vifs.interfaces(spec, hardware)
    built = domain(spec, hardware, disks, f"{FOLDER_OF_GUEST}/console.log", cards,
                   node_devices.host_devices(spec.pci_devices))
    return re.sub(r'(<entry name="version">)[^<]*', r"\1VERSION", built.to_xml())


VIF = Vif(
    port_id="0a1b2c3d-4e5f-4000-8000-000000000001", mac="fa:16:3e:00:00:01", mtu=1450,
    network_id="b1c0ffee-0000-4000-8000-000000000001",
)  # fmt: skip

DIVIDED = HostFacts(virt_type="qemu", arch="x86_64", disk_cache="none", shared={0: "0-1", 1: "8-9"})
CELLS = Placed(cells=(
    PlacedCell(cpus=(0, 1), memory_mb=64, host_cell=1), PlacedCell(cpus=(2, 3), memory_mb=64, host_cell=0)))
DEDICATED = Placed(cells=(PlacedCell(cpus=(0, 1), memory_mb=128, host_cell=0, pins=((0, 4), (1, 5))),),
                   emulator=6, idle="7", threads=2)
REALTIME = Placed(cells=(PlacedCell(cpus=(0, 1), memory_mb=128, host_cell=1, pins=((1, 10),)),),
                  page_kb=2048, large=True, emulator_shared=True, realtime=(1,))

CASES: dict[str, Callable[[], str]] = {
    "minimal": lambda: xml_of(a_guest()),
    "kvm": lambda: xml_of(a_guest(), KVM),
    "diskless": lambda: xml_of(a_guest(flavor=a_flavor(disk_gb=0), image=None)),
    "blank-root": lambda: xml_of(a_guest(image=None)),
    "cdrom": lambda: xml_of(a_guest(image=an_image(disk_format="iso"))),
    "ephemeral-and-swap": lambda: xml_of(a_guest(flavor=a_flavor(ephemeral_gb=2, swap_mb=64))),
    "scsi": lambda: xml_of(a_guest(
        {"hw_disk_bus": "scsi", "hw_scsi_model": "lsisas1068"}, a_flavor(swap_mb=64))),
    "ide": lambda: xml_of(a_guest({"hw_disk_bus": "ide"})),
    "video": lambda: xml_of(a_guest(
        {"hw_video_model": "qxl", "hw_video_ram": "16"},
        a_flavor(extra_specs={"hw_video:ram_max_mb": "64"}))),
    "rng": lambda: xml_of(a_guest(
        {"hw_rng_model": "virtio"},
        a_flavor(extra_specs={"hw_rng:rate_bytes": "1024", "hw_rng:rate_period": "1000"}))),
    "watchdog-image-over-flavor": lambda: xml_of(a_guest(
        {"hw_watchdog_action": "poweroff"}, a_flavor(extra_specs={"hw:watchdog_action": "reset"}))),
    "guest-agent": lambda: xml_of(a_guest({"hw_qemu_guest_agent": "yes"})),
    "rescue": lambda: xml_of(a_guest(flavor=a_flavor(ephemeral_gb=1), rescue=Rescue())),
    "rescue-from-a-disc": lambda: xml_of(a_guest(rescue=Rescue(device="cdrom"))),
    "stable-rescue": lambda: xml_of(a_guest(
        flavor=a_flavor(ephemeral_gb=1), rescue=Rescue(stable=True, bus="usb"))),
    "stable-rescue-scsi-disc": lambda: xml_of(a_guest(
        rescue=Rescue(stable=True, device="cdrom", bus="scsi"))),
    "stable-rescue-floppy": lambda: xml_of(a_guest(rescue=Rescue(stable=True, device="floppy"))),
    "q35": lambda: xml_of(a_guest({"hw_machine_type": "q35"}, image=an_image(disk_format="iso"))),
    "uefi": lambda: xml_of(a_guest({"hw_firmware_type": "uefi", "hw_machine_type": "q35"})),
    "topology": lambda: xml_of(a_guest({"hw_cpu_sockets": "1", "hw_cpu_threads": "2"}, a_flavor(vcpus=8))),
    "quotas": lambda: xml_of(a_guest(flavor=a_flavor(extra_specs={
        "quota:cpu_period": "1000000", "quota:cpu_shares": "1024", "quota:cpu_quota": "10000",
        "quota:disk_read_iops_sec": "500", "quota:disk_write_bytes_sec": "10485760",
        "quota:disk_write_bytes_sec_max": "20971520"}))),
    "interface": lambda: xml_of(a_guest(vifs=(VIF,))),
    "interface-e1000": lambda: xml_of(a_guest({"hw_vif_model": "e1000"}, vifs=(VIF,))),
    "devices": lambda: xml_of(a_guest(vifs=(VIF,), pci_devices=(
        GivenDevice(address="0000:81:00.1", vendor_id="10de", product_id="1eb8", alias="gpu"),
        GivenDevice(address="0001:0a:1f.7", vendor_id="8086", product_id="10ed", kind="type-VF", managed=False)))),
    "cells": lambda: xml_of(a_guest(
        flavor=a_flavor(vcpus=4, extra_specs={"quota:cpu_shares": "7"}), placed=CELLS), DIVIDED),
    "plain-where-cpus-are-divided": lambda: xml_of(a_guest(), replace(DIVIDED, floating="0-1,8-9")),
    "dedicated": lambda: xml_of(a_guest(flavor=a_flavor(vcpus=2), placed=DEDICATED), DIVIDED),
    "realtime-in-large-pages": lambda: xml_of(a_guest(flavor=a_flavor(vcpus=2), placed=REALTIME), DIVIDED),
    "config-drive": lambda: xml_of(a_guest(config_drive=True, flavor=a_flavor(swap_mb=64))),
    "config-drive-beside-a-disc": lambda: xml_of(a_guest(
        config_drive=True, image=an_image(disk_format="iso"))),
    "config-drive-q35": lambda: xml_of(a_guest({"hw_machine_type": "q35"}, config_drive=True)),
    "config-drive-disk": lambda: xml_of(a_guest(config_drive=True), drive="disk"),
    "config-drive-scsi": lambda: xml_of(a_guest({"hw_cdrom_bus": "scsi"}, config_drive=True)),
    "settings": lambda: xml_of(a_guest(), settings={
        "cpu_mode": "custom", "cpu_model": "Nehalem", "machine_type": "q35", "disk_bus": "sata",
        "vnc.server_listen": "192.0.2.7", "vnc.keymap": "de", "vnc.password": False, "video_model": "virtio",
        "pointer_model": "none", "mem_stats_period_seconds": 0}),
    "no-screen": lambda: xml_of(a_guest(), settings={"vnc.enabled": False}),
    "odd-name": lambda: xml_of(a_guest(name='<&"\x0b\U0001f980')),
}


@pytest.mark.parametrize("case", CASES)
def test_domain_is_as_agreed(case: str, golden: Callable[[str, str], None]) -> None:
    golden(f"domain/{case}.xml", CASES[case]())


@pytest.mark.parametrize("case", CASES)
def test_domain_survives_being_read(case: str) -> None:
    text = CASES[case]()
    again = Domain.from_xml(text).to_xml()
    assert again == text.replace("      <readonly />\n", "")  # a CD-ROM is read as the disk it is


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in (FOLDER / "domain").glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("path", sorted((FOLDER / "domain").glob("*.xml")), ids=lambda path: path.stem)
def test_libvirt_schema_accepts_it(path: Path) -> None:
    libvirt = pytest.importorskip("libvirt")
    connection = libvirt.open("test:///default")
    try:
        text = re.sub(r'<domain type="\w+"', '<domain type="test"', path.read_text())
        connection.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).undefine()
    finally:
        connection.close()


def test_mark_is_read_from_what_libvirt_answers() -> None:
    text = f'<guest id="{SERVER}"><name>web</name><flavor name="small" ram_mb="128"/></guest>'
    mark = Mark.from_libvirt(text)
    assert (mark.server_id, mark.name, mark.flavor, mark.ram_mb) == (SERVER, "web", "small", 128)


def test_mark_of_another_release_is_still_a_mark() -> None:
    assert Mark.from_libvirt(f'<guest id="{SERVER}"><later/></guest>').server_id == SERVER


def test_guest_of_somebody_else_has_no_mark() -> None:
    other = Domain.from_xml(
        "<domain type='kvm'><name>x</name><uuid>u</uuid><memory>1</memory><vcpu>1</vcpu>"
        "<devices><sound model='ich9'/></devices></domain>")
    assert other.mark is None and other.devices == []


def test_disks_are_found_again_in_xml() -> None:
    spec = a_guest(flavor=a_flavor(ephemeral_gb=1, swap_mb=1))
    disks = [device for device in Domain.from_xml(xml_of(spec)).devices if isinstance(device, Disk)]
    assert [(d.target, d.format) for d in disks] == [("vda", "qcow2"), ("vdb", "raw"), ("vdc", "raw")]


@pytest.mark.parametrize("text", ["", "no xml", "<network/>"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Domain.from_xml(text)
