"""[pci] device_spec: what it chooses, what it says, and what makes no sense; devices that are pretended."""

from __future__ import annotations

import json

import pytest

from novalite.compute.device_spec import Offer
from novalite.compute.virt import fake_pci
from novalite.errors import ConfigError
from novalite.objects.pci import PciDevice

PF = PciDevice(address="0000:81:00.0", vendor_id="8086", product_id="154d", kind="type-PF", interface="eth4")
VF = PciDevice(address="0000:81:10.1", vendor_id="8086", product_id="10ed", kind="type-VF", parent=PF.address)
GPU = PciDevice(address="0001:0a:1f.7", vendor_id="10de", product_id="1eb8")
ALL = (PF, VF, GPU)

CHOICES = [
    ({"vendor_id": "10de"}, {GPU}),
    ({"vendor_id": "8086", "product_id": "10ED"}, {VF}),
    ({"vendor_id": "*"}, {PF, VF, GPU}),
    ({"address": "0000:81:00.0"}, {PF, VF}),
    ({"address": "0000:81:00.0", "product_id": "10ed"}, {VF}),
    ({"address": "81:00.0"}, {PF}),
    ({"address": "0000:81:00.*"}, {PF}),
    ({"address": "*:81:*.*"}, {PF, VF}),
    ({"address": "*:a:1F.7"}, {GPU}),
    ({"address": ":0a:."}, {GPU}),
    ({"address": {"domain": ".*", "bus": "81", "slot": "10", "function": "[0-2]"}}, {VF}),
    ({"address": {"bus": "0A"}}, {GPU}),
    ({"devname": "eth4"}, {PF, VF}),
    ({"devname": "eth4", "product_id": "154d"}, {PF}),
    ({"devname": "eth5"}, set()),
    ([{"vendor_id": "10de"}, {"product_id": "154d"}], {PF, GPU}),
]


@pytest.mark.parametrize(("said", "chosen"), CHOICES)
def test_a_line_chooses(said, chosen):
    assert set(Offer([json.dumps(said)]).of(ALL)) == chosen


def test_lines_say_something_of_what_they_choose_and_the_first_one_counts():
    lines = [
        '{"product_id": "10ed", "physical_network": "red", "trusted": "true", "managed": "no"}',
        '{"vendor_id": "8086", "physical_network": "blue"}',
    ]
    whole, part = Offer(lines).of((VF, GPU, PF))
    assert whole == PF.model_copy(update={"physical_network": "blue"})
    assert part == VF.model_copy(update={"physical_network": "red", "trusted": True, "managed": False})
    assert Offer([]).of(ALL) == ()


def test_an_interface_that_a_guest_has_is_remembered():
    offer = Offer(['{"devname": "eth4"}'])
    assert set(offer.of(ALL)) == {PF, VF}
    away = PF.model_copy(update={"interface": None, "driver": "vfio-pci"})
    assert set(offer.of((away, VF, GPU))) == {away, VF}
    assert Offer(['{"devname": "eth4"}']).of((away, VF)) == ()


WRONG = [
    ("gpu", "Expecting value"),
    ('"gpu"', "must be a JSON object"),
    ('{"physical_network": "red"}', "must choose by"),
    ('{"vendor_id": "10de", "colour": "red"}', "there is no key colour"),
    ('{"vendor_id": "10d"}', "vendor_id must be four hexadecimal digits"),
    ('{"address": "0000:81:00.8"}', "the function of an address is at most 7"),
    ('{"address": "0000:81:20.0"}', "the slot of an address is at most 1f"),
    ('{"address": "81"}', "address must be domain:bus:slot.function"),
    ('{"address": {"line": "1"}}', "an address has no part line"),
    ('{"address": {"bus": "["}}', "unterminated character set"),
    ('{"address": "0000:81:00.0", "devname": "eth4"}', "exclude each other"),
    ('{"devname": ""}', "devname must be text"),
    ('{"vendor_id": "10de", "trusted": "perhaps"}', "trusted must be yes or no"),
]


@pytest.mark.parametrize(("line", "why"), WRONG)
def test_what_makes_no_sense_is_said_with_its_line(line, why):
    with pytest.raises(ConfigError, match="device_spec") as caught:
        Offer([line])
    assert line in caught.value.sentence and why in caught.value.sentence


def test_pretended_devices():
    gpus = '{"vendor_id": "10de", "product_id": "1eb8", "count": 2, "numa_node": 1}'
    nics = '{"vendor_id": "8086", "product_id": "154d", "parts": 9, "part_product_id": "10ed"}'
    found = fake_pci.made([gpus, nics])
    assert [one.address for one in found[:3]] == ["0000:01:00.0", "0000:01:01.0", "0000:02:00.0"]
    assert {(one.kind, one.product_id, one.numa_node) for one in found} == {
        ("type-PCI", "1eb8", 1), ("type-PF", "154d", None), ("type-VF", "10ed", None),
    }  # fmt: skip
    assert found[-1].address == "0000:82:01.0" and found[-1].parent == "0000:02:00.0"
    for wrong in ("[]", "{}", '{"vendor_id": "8086", "product_id": "1", "count": 99}', '{"colour": "red"}'):
        with pytest.raises(ConfigError):
            fake_pci.made([wrong])
