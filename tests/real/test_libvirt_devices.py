"""PCI devices with a real libvirtd: what it tells of this machine's bus, and that it takes a guest that has some.

No guest with a device is started: the devices of this machine are in use, and there may be no IOMMU.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from deploy.dev.guest import guest_image
from deploy.dev.hosts import Hypervisors
from novalite.compute import device_spec
from novalite.compute.virt.driver import BaseImage
from novalite.compute.virt.libvirt.xml.devices import HostDev
from novalite.compute.virt.libvirt.xml.domain import Domain
from novalite.objects.flavors import Flavor
from novalite.objects.images import ImageSource
from novalite.objects.pci import GivenDevice
from novalite.objects.servers import GuestSpec
from tests.real.test_libvirt_driver import MIB, pytestmark, started

__all__ = ["pytestmark"]
BUS = Path("/sys/bus/pci/devices")
EVERYTHING = ['{"vendor_id": "*"}']


def read(address: str, name: str) -> str:
    return (BUS / address / name).read_text().strip().removeprefix("0x")


def test_what_is_on_the_bus_is_told_and_a_guest_may_have_it(hypervisors: Hypervisors, tmp_path: Path) -> None:
    one = hypervisors.host(1)
    host = started(one.uri.replace("qemu:///", "qemu+unix:///"), tmp_path, one.run)
    driver = host.driver
    try:
        assert driver.inventory().pci_devices == (), "nobody asked for any"
        driver.conf.set_override("device_spec", EVERYTHING, group="pci")
        found = driver.inventory().pci_devices
        assert [one.address for one in found] == sorted(path.name for path in BUS.glob("*") if len(path.name) == 12)
        for device in found:
            told = (device.vendor_id, device.product_id, device.class_id)
            assert told == tuple(read(device.address, name) for name in ("vendor", "device", "class"))
            assert device.numa_node == (node if (node := int(read(device.address, "numa_node"))) >= 0 else None)
        assert device_spec.Offer(EVERYTHING).of(found) == found
        given = [GivenDevice(**device.model_dump()) for device in found] or [
            GivenDevice(address="0000:81:00.1", vendor_id="10de", product_id="1eb8")
        ]
        spec = GuestSpec(
            id=str(uuid.uuid4()), name="web", hostname="web", instance_name=f"instance-{uuid.uuid4().hex[:8]}",
            project_id="p", user_id="u", flavor=Flavor(flavor_id="1", name="f", vcpus=1, ram_mb=64, disk_gb=1),
            image=ImageSource(id="i", url="http://127.0.0.1/", disk_format="qcow2"), pci_devices=tuple(given),
        )  # fmt: skip
        driver.disks.build(spec, BaseImage(Path(guest_image()), "qcow2", 80 * MIB))
        driver.define(driver._domain(spec.id), spec, driver.machine(spec))
        text = driver.connection.call("xml", lambda native: native.lookupByUUIDString(spec.id).XMLDesc(0))
        kept = [device for device in Domain.from_xml(text).devices if isinstance(device, HostDev)]
        assert [f"{d.domain[2:]}:{d.bus[2:]}:{d.slot[2:]}.{d.function[2:]}" for d in kept] == [d.address for d in given]
        assert all(device.managed for device in kept)
        driver.destroy(spec)
        assert driver.guests() == []
    finally:
        driver.close()
