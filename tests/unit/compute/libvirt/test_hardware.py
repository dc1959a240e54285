"""What image and flavor may ask for, what wins, and how a bad value is refused."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novalite.compute.virt.libvirt.hardware import CHOICES, Hardware, HostFacts, decide
from novalite.compute.virt.libvirt.xml.cpu import Topology, Wanted, arrange
from novalite.conf import load
from novalite.errors import BadRequest, ImageUnacceptable
from tests.unit.compute.libvirt.guests import a_flavor, a_guest

CONF = load.for_tests()


def decided(
    properties: dict[str, str] | None = None, extra: dict[str, str] | None = None, vcpus: int = 1
) -> Hardware:
    spec = a_guest(properties, a_flavor(vcpus=vcpus, extra_specs=extra or {}))
    return decide(spec, CONF.libvirt, CONF.vnc, HostFacts("qemu", "x86_64"))


@pytest.mark.parametrize("key", CHOICES)
def test_unknown_device_is_refused_with_the_known_ones(key: str) -> None:
    with pytest.raises(ImageUnacceptable) as caught:
        decided({key: "tape"})
    assert f"{key} must be one of" in str(caught.value) and "'tape'" in str(caught.value)


@pytest.mark.parametrize("key,value", [
    ("hw_cpu_cores", "many"), ("hw_cpu_threads", "0"), ("hw_cpu_max_sockets", "-1"),
    ("hw_qemu_guest_agent", "perhaps"), ("hw_video_ram", "x"),
])
def test_bad_image_property_is_named(key: str, value: str) -> None:
    with pytest.raises(ImageUnacceptable, match=f"{key} must be .*'{value}'"):
        decided({key: value})


@pytest.mark.parametrize("key,value", [
    ("quota:cpu_period", "999"), ("quota:cpu_period", "fast"), ("quota:cpu_shares", "1"),
    ("quota:cpu_quota", "-2"), ("quota:disk_read_iops_sec", "-1"), ("hw:cpu_sockets", "0"),
    ("hw:watchdog_action", "bark"), ("hw_video:ram_max_mb", "lots"),
])
def test_bad_extra_spec_is_named(key: str, value: str) -> None:
    with pytest.raises(BadRequest, match=f"Extra spec {key} of flavor small must be .*'{value}'"):
        decided(extra={key: value})


def test_total_and_single_disk_limits_exclude_each_other() -> None:
    with pytest.raises(BadRequest, match="quota:disk_total_iops_sec"):
        decided(extra={"quota:disk_total_iops_sec": "5", "quota:disk_read_iops_sec": "5"})


@pytest.mark.parametrize("image,flavor,action", [
    (None, None, None), (None, "reset", "reset"), ("pause", "reset", "pause"), ("disabled", "reset", None),
])
def test_image_wins_over_flavor_for_the_watchdog(
    image: str | None, flavor: str | None, action: str | None
) -> None:
    properties = {"hw_watchdog_action": image} if image else {}
    assert decided(properties, {"hw:watchdog_action": flavor} if flavor else {}).watchdog == action


def test_video_memory_is_taken_only_as_far_as_the_flavor_allows() -> None:
    assert decided({"hw_video_ram": "16"}).video_ram_mb is None
    assert decided({"hw_video_ram": "16"}, {"hw_video:ram_max_mb": "16"}).video_ram_mb == 16
    with pytest.raises(ImageUnacceptable, match="at most 8 with flavor small"):
        decided({"hw_video_ram": "16"}, {"hw_video:ram_max_mb": "8"})


def test_flavor_can_forbid_the_random_generator() -> None:
    assert decided({"hw_rng_model": "virtio"}).rng
    assert not decided({"hw_rng_model": "virtio"}, {"hw_rng:allowed": "false"}).rng
    assert not decided().rng


def test_real_processor_is_shown_only_where_guests_run_on_it() -> None:
    spec = a_guest()
    assert decide(spec, CONF.libvirt, CONF.vnc, HostFacts("kvm")).cpu_mode == "host-model"
    assert decide(spec, CONF.libvirt, CONF.vnc, HostFacts("qemu")).cpu_mode is None


@pytest.mark.parametrize("vcpus,wanted,got", [
    (4, Wanted(), Topology(4, 1, 1)),
    (8, Wanted(sockets=1, threads=2), Topology(1, 4, 2)),
    (8, Wanted(cores=4), Topology(2, 4, 1)),
    (6, Wanted(cores=4), Topology(6, 1, 1)),
    (1, Wanted(sockets=2, cores=2, threads=2), Topology(1, 1, 1)),
])
def test_vcpus_are_arranged_as_wished_where_possible(vcpus: int, wanted: Wanted, got: Topology) -> None:
    assert arrange(vcpus, wanted) == got


def test_impossible_arrangement_is_refused() -> None:
    with pytest.raises(BadRequest, match="4 virtual CPUs cannot be arranged"):
        decided(extra={f"hw:cpu_max_{part}": "1" for part in ("sockets", "cores", "threads")}, vcpus=4)


_maybe = st.none() | st.integers(1, 16)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 64), st.builds(Wanted, _maybe, _maybe, _maybe))
def test_every_arrangement_has_exactly_the_vcpus(vcpus: int, wanted: Wanted) -> None:
    found = arrange(vcpus, wanted)
    assert found is not None and found.sockets * found.cores * found.threads == vcpus
