"""Aliases: how they are read, and what a flavor makes of them."""

from __future__ import annotations

import pytest

from novalite.conductor.pci_requests import aliases, requests
from novalite.conf.load import for_tests
from novalite.errors import BadRequest, ConfigError
from novalite.objects.flavors import Flavor
from novalite.objects.pci import PciMatch, PciRequest

GPU = '{"name": "gpu", "vendor_id": "10DE", "product_id": "1eb8", "numa_policy": "preferred"}'
NIC = '{"name": "nic", "product_id": "10ed", "device_type": "type-VF"}'
OTHER = '{"name": "nic", "product_id": "1520", "device_type": "type-VF"}'


def asked(specs: dict[str, str], image: dict[str, str] | None = None) -> tuple[PciRequest, ...]:
    flavor = Flavor(flavor_id="1", name="f", vcpus=1, ram_mb=1, disk_gb=1, extra_specs=specs)
    return requests(for_tests({"pci.alias": [GPU, NIC, OTHER]}), flavor, image or {})


def test_what_a_flavor_asks_for():
    assert asked({}) == ()
    gpu, nic = asked({"pci_passthrough:alias": "gpu:2, nic:1"})
    assert gpu == PciRequest(
        alias="gpu", count=2, policy="preferred", any_of=(PciMatch(vendor_id="10de", product_id="1eb8"),)
    )
    assert nic.any_of == tuple(PciMatch(kind="type-VF", product_id=product) for product in ("10ed", "1520"))
    assert asked({"pci_passthrough:alias": "gpu:0"}) == ()


def test_policies_of_flavor_and_image_count_more():
    policy, mine = "hw:pci_numa_affinity_policy", "hw_pci_numa_affinity_policy"
    alias = {"pci_passthrough:alias": "gpu:1"}
    assert asked({**alias, policy: "socket"})[0].policy == "socket"
    assert asked(alias, {mine: "required"})[0].policy == "required"
    assert asked({**alias, policy: "required"}, {mine: "required"})[0].policy == "required"
    with pytest.raises(BadRequest, match="not permitted to override"):
        asked({**alias, policy: "required"}, {mine: "legacy"})
    with pytest.raises(BadRequest, match="must be one of legacy, required, preferred, socket, not 'near'"):
        asked(alias, {mine: "near"})


@pytest.mark.parametrize(
    ("text", "why"),
    [("cat:1", "PCI alias cat is not defined"), ("gpu", "must be a list of alias:count"), ("gpu:1,", "must be a list"),
     ("gpu:999999", "at most 1000 PCI devices")],
)  # fmt: skip
def test_what_cannot_be(text, why):
    with pytest.raises(BadRequest, match=why):
        asked({"pci_passthrough:alias": text})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "must be a JSON object"),
        ('{"product_id": "1eb8"}', "name must be text"),
        ('{"name": "a:b"}', "name must be text"),
        ('{"name": "a", "product": "1"}', "there is no key product"),
        ('{"name": "a", "vendor_id": "x"}', "vendor_id must be four hexadecimal digits"),
        ('{"name": "a", "device_type": "VF"}', "device_type must be one of type-PCI"),
        ('{"name": "a", "numa_policy": "near"}', "numa_policy must be one of"),
        ('{"name": "gpu", "product_id": "1", "numa_policy": "legacy"}', "four hexadecimal digits"),
        ('{"name": "gpu", "product_id": "1111", "numa_policy": "legacy"}', "two different policies"),
    ],
)
def test_an_alias_that_makes_no_sense_is_said_at_start(line, why):
    with pytest.raises(ConfigError, match="alias") as caught:
        aliases(for_tests({"pci.alias": [GPU, line]}))
    assert why in caught.value.sentence
