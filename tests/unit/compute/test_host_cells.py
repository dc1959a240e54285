"""How a host's CPUs and pages are divided, and what of that makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from novalite.compute.host_cells import Division, counts, there
from novalite.compute.virt import fake_numa
from novalite.conf import load
from novalite.errors import ConfigError, DriverError
from novalite.objects.numa import HostTopology, Placed, PlacedCell

PRETENDED = {
    "fake_driver.vcpus": 8, "fake_driver.numa_cells": 2, "fake_driver.threads_per_core": 2,
    "fake_driver.ram_mb": 4096, "fake_driver.huge_pages": {"2048": 100},
}  # fmt: skip


def host(**changes: Any) -> HostTopology:
    found = fake_numa.topology(load.for_tests({**PRETENDED, **changes}).fake_driver)
    assert found is not None
    return found


def division(**options: Any) -> Division:
    return Division.of(load.for_tests({f"compute.{key}": value for key, value in options.items()}).compute)


def test_a_host_pretends_cells() -> None:
    cells = host().cells
    assert [(cell.cpus, cell.cores, cell.memory_mb) for cell in cells] == [
        ("0-3", ("0-1", "2-3"), 1848), ("4-7", ("4-5", "6-7"), 1848)]  # fmt: skip
    with pytest.raises(ConfigError, match="cannot be dealt out to 2 cells of whole cores of 3 threads"):
        host(**{"fake_driver.threads_per_core": 3})


DIVIDED = [
    # options, shared and dedicated CPUs of each cell
    ({}, [("0-3", ""), ("4-7", "")]),
    ({"cpu_dedicated_set": "2-7"}, [("0-1", "2-3"), ("", "4-7")]),
    ({"cpu_dedicated_set": "2-7,^4", "cpu_shared_set": "0"}, [("0", "2-3"), ("", "5-7")]),
    ({"cpu_shared_set": "7"}, [("", ""), ("7", "")]),
]


@pytest.mark.parametrize(("options", "sets"), DIVIDED)
def test_cpus_are_shared_or_dedicated_as_configured(options: dict[str, str], sets: list[tuple[str, str]]) -> None:
    divided = division(**options).apply(host())
    assert [(cell.shared, cell.dedicated) for cell in divided.cells] == sets
    assert division(**options).divides == bool(options)
    if options == {"cpu_dedicated_set": "2-7"}:
        assert counts(divided) == {"vcpus": 2, "pcpus": 6}


def test_guests_without_cells_float_over_what_is_shared() -> None:
    assert division().floating(host()) == ({0: "0-3", 1: "4-7"}, ""), "nothing is divided: over all, as ever"
    assert division(cpu_dedicated_set="2-5").floating(host()) == ({0: "0-1", 1: "6-7"}, "0-1,6-7")
    assert division(cpu_dedicated_set="2-5").floating(None) == ({}, "")


def test_pages_are_kept_for_the_host() -> None:
    kept = division(reserved_huge_pages=["node:1,size:2MB,count:30"])
    kept.check(host())
    assert [cell.pages[0].total for cell in kept.apply(host()).cells] == [100, 70]


NONSENSE = [
    ({"cpu_dedicated_set": "0-3", "cpu_shared_set": "3-4"}, "CPUs 3 are in cpu_shared_set and in cpu_dedicated_set"),
    ({"cpu_dedicated_set": "0-x"}, "neither a CPU nor a range"),
    ({"cpu_dedicated_set": "6-9"}, "cpu_dedicated_set names CPUs 8-9, but those that are online here are 0-7"),
    ({"reserved_huge_pages": ["node:0,count:1"]}, "node, size and count must be there"),
    ({"reserved_huge_pages": ["node:0,size:x,count:1"]}, "it must be node:0,size:2048,count:64"),
    ({"reserved_huge_pages": ["node:2,size:2048,count:1"]}, "in cell 2, which has 0"),
]


@pytest.mark.parametrize(("options", "words"), NONSENSE)
def test_what_makes_no_sense_is_told_at_start(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        division(**options).check(host())
    assert words in refused.value.sentence


@pytest.mark.parametrize(("cell", "cpu", "words"), [(2, 1, "no NUMA cell 2"), (1, 9, "no CPUs 9")])
def test_a_place_that_is_not_there_any_more_is_refused(cell: int, cpu: int, words: str) -> None:
    placed = Placed(cells=(PlacedCell(cpus=(0,), memory_mb=1, host_cell=cell, pins=((0, cpu),)),))
    with pytest.raises(DriverError, match=words):
        there(host(), placed)
