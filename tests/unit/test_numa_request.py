"""What flavor, image and hints ask of cells and CPUs: what it means, and what makes no sense."""

from __future__ import annotations

import pytest

from novalite.errors import BadRequest
from novalite.objects import cpu_sets
from novalite.objects.flavors import Flavor
from novalite.objects.numa_request import asked


def ask(specs=None, image=None, hints=None, vcpus=4, ram_mb=1024):
    flavor = Flavor(
        flavor_id="1", name="f", vcpus=vcpus, ram_mb=ram_mb, disk_gb=1,
        extra_specs={k if ":" in k else f"hw:{k}": v for k, v in (specs or {}).items()},
    )  # fmt: skip
    found = asked(flavor, {f"hw_{k}": v for k, v in (image or {}).items()}, hints)
    if found is None:
        return None
    plain = {k: v for k, v in found.model_dump().items() if v not in (None, (), False)}
    plain["cells"] = [(cpu_sets.spell(cell.cpus), cell.memory_mb) for cell in found.cells]
    return plain


WHOLE = [("0-3", 1024)]
ALL = (0, 1, 2, 3)
OWN = {"cells": WHOLE, "dedicated": ALL}
MEANINGS = [
    # extra specs, image properties, hints -> the topology
    ({}, {}, {}, None),
    ({"cpu_sockets": "2", "quota:cpu_shares": "10"}, {"disk_bus": "scsi"}, {"group": "x"}, None),
    ({"cpu_policy": "shared"}, {}, {}, None),
    ({"pci_numa_affinity_policy": "required"}, {}, {}, None),
    ({"numa_nodes": "2"}, {}, {}, {"cells": [("0-1", 512), ("2-3", 512)]}),
    ({"numa_nodes": "2", "novalite:numa_together": "yes"}, {}, {},
     {"cells": [("0-1", 512), ("2-3", 512)], "together": True}),
    ({"numa_nodes": "2", "numa_cpus.0": "0,3", "numa_mem.0": "24", "numa_cpus.1": "1-2", "numa_mem.1": "1000"}, {}, {},
     {"cells": [("0,3", 24), ("1-2", 1000)]}),
    ({}, {"numa_nodes": "1", "cpu_policy": "dedicated", "cpu_thread_policy": "prefer"}, {},
     {**OWN, "threads": "prefer"}),
    ({"cpu_policy": "dedicated"}, {"cpu_thread_policy": "isolate"}, {}, {**OWN, "threads": "isolate"}),
    ({"cpu_policy": "dedicated", "cpu_thread_policy": "prefer"}, {"cpu_thread_policy": "require"}, {},
     {**OWN, "threads": "require"}),
    ({"cpu_policy": "dedicated", "emulator_threads_policy": "isolate"}, {}, {}, {**OWN, "emulator": "isolate"}),
    ({"cpu_policy": "dedicated", "pci_numa_affinity_policy": "socket"}, {}, {}, {**OWN, "pci": "socket"}),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "^0"}, {}, {}, {"cells": WHOLE, "dedicated": (1, 2, 3)}),
    ({"cpu_policy": "mixed", "cpu_realtime": "1", "cpu_realtime_mask": "2-3"}, {}, {},
     {"cells": WHOLE, "dedicated": (2, 3), "realtime": (2, 3)}),
    ({"cpu_policy": "dedicated", "cpu_realtime": "true"}, {"cpu_realtime_mask": "^0-1"}, {},
     {**OWN, "realtime": (2, 3)}),
    ({"cpu_policy": "dedicated", "cpu_realtime": "yes", "emulator_threads_policy": "share"}, {}, {},
     {**OWN, "realtime": ALL, "emulator": "share"}),
    ({"mem_page_size": "large"}, {}, {}, {"cells": WHOLE, "pages": "large"}),
    ({"mem_page_size": "any"}, {"mem_page_size": "2MB"}, {}, {"cells": WHOLE, "pages": "2048"}),
    ({"mem_page_size": "1GB"}, {}, {}, {"cells": WHOLE, "pages": "1048576"}),
    ({"mem_page_size": "4"}, {}, {}, {"cells": WHOLE, "pages": "4"}),
    # hints
    ({}, {}, {"numaOpts": "0"}, None),
    ({}, {}, {"numaOpts": "1"}, {"cells": WHOLE}),
    ({}, {}, {"numaOpts": 2}, {"cells": WHOLE, "pci": "required"}),
    ({}, {}, {"vcpuAffinity": ["1"], "hyperThreadAffinity": "any"}, None),
    ({}, {}, {"numaOpts": "1", "vcpuAffinity": ["0"], "hyperThreadAffinity": "any"}, OWN),
    ({}, {}, {"vcpuAffinity": '["0"]'}, OWN),
    ({}, {}, {"vcpuAffinity": ["1", "0", "0", "1"]}, {"cells": WHOLE, "dedicated": (1, 2)}),
    ({}, {}, {"vcpuAffinity": ["0"], "hyperThreadAffinity": "internal"}, {**OWN, "threads": "require"}),
    ({}, {}, {"vcpuAffinity": ["1"], "hyperThreadAffinity": "none"}, {**OWN, "threads": "isolate"}),
    ({}, {}, {"vcpuAffinity": ["1"], "hyperThreadAffinity": "sync"}, {**OWN, "threads": "require"}),
    ({}, {}, {"hyperThreadAffinity": "lock"},
     {**OWN, "threads": "require", "realtime": ALL, "emulator": "isolate"}),
    ({"numa_nodes": "1"}, {}, {"numaOpts": "1"}, {"cells": WHOLE}),
]  # fmt: skip


@pytest.mark.parametrize(("specs", "image", "hints", "topology"), MEANINGS)
def test_what_is_said_means(specs, image, hints, topology):
    assert ask(specs, image, hints) == topology


TWO = {"numa_nodes": "2"}
OWN_CPUS = {"cpu_policy": "dedicated"}
NONSENSE = [
    ({"numa_nodes": "3"}, {}, {}, "cannot be evenly distributed"),
    ({"numa_nodes": "0"}, {}, {}, "from 1 to 64, not '0'"),
    ({"numa_nodes": "1"}, {"numa_nodes": "2"}, {}, "hw_numa_nodes is not permitted to override"),
    ({"numa_cpus.0": "0"}, {}, {}, "hw:numa_cpus.0 makes sense with hw:numa_nodes only"),
    ({**TWO, "numa_cpus.0": "0"}, {}, {}, "must be provided for all NUMA nodes"),
    ({**TWO, "numa_cpus.2": "0"}, {}, {}, "a cell that hw:numa_nodes=2 does not have"),
    ({"numa_nodes": "1", "numa_cpus.0": "0-9", "numa_mem.0": "1024"}, {}, {}, "names vCPU 9, and the flavor has 4"),
    ({"numa_nodes": "1", "numa_cpus.0": "x", "numa_mem.0": "1024"}, {}, {}, "hw:numa_cpus.0 is no set of vCPUs"),
    ({"numa_nodes": "1", "numa_cpus.0": "0-2", "numa_mem.0": "1024"}, {}, {}, "3 are not assigned"),
    ({"numa_nodes": "1", "numa_cpus.0": "0-3", "numa_mem.0": "1000"}, {}, {}, "1000 MB of memory assigned"),
    ({**TWO, "numa_cpus.0": "0-2", "numa_mem.0": "512", "numa_cpus.1": "2-3", "numa_mem.1": "512"}, {}, {},
     "CPU number 2 is assigned"),
    ({"cpu_policy": "pinned"}, {}, {}, "must be one of shared, dedicated, mixed"),
    ({"cpu_policy": "shared"}, OWN_CPUS, {}, "hw_cpu_policy is not permitted to override"),
    (OWN_CPUS, {"cpu_policy": "shared"}, {}, "hw_cpu_policy is not permitted to override"),
    ({"cpu_policy": "mixed"}, {}, {}, "needs hw:cpu_dedicated_mask"),
    ({"cpu_policy": "mixed", "cpu_dedicated_mask": "0-3"}, {}, {}, "at least one vCPU dedicated and one shared"),
    ({**OWN_CPUS, "cpu_dedicated_mask": "1"}, {}, {}, "with hw:cpu_policy=mixed only"),
    ({"cpu_thread_policy": "isolate"}, {}, {}, "non dedicated cpu pinning policy"),
    ({**OWN_CPUS, "cpu_thread_policy": "isolate"}, {"cpu_thread_policy": "require"}, {}, "not permitted to override"),
    ({**OWN_CPUS, "cpu_thread_policy": "x"}, {}, {}, "one of prefer, isolate, require"),
    ({"emulator_threads_policy": "isolate"}, {}, {}, "requires a dedicated CPU policy"),
    ({"cpu_realtime": "yes"}, {}, {}, "realtime policy in a non dedicated"),
    ({**OWN_CPUS, "cpu_realtime": "yes"}, {}, {}, "requires either one or more non-realtime CPU(s)"),
    ({**OWN_CPUS, "cpu_realtime": "maybe"}, {}, {}, "must be true or false"),
    ({}, {"mem_page_size": "large"}, {}, "forbidden against '<None>'"),
    ({"mem_page_size": "small"}, {"mem_page_size": "2048"}, {}, "forbidden against 'small'"),
    ({"mem_page_size": "huge"}, {}, {}, "Invalid memory page size 'huge'"),
    ({"mem_page_size": "3MB"}, {}, {}, "cannot be made of pages of 3072 kB"),
    ({}, {}, {"numaOpts": "3"}, "must be one of 0, 1, 2"),
    ({}, {}, {"vcpuAffinity": ["0", "1"]}, "once or for each of 4 vCPUs"),
    ({}, {}, {"vcpuAffinity": ["1"], "hyperThreadAffinity": "internal"}, "vcpuAffinity must be 0"),
    ({}, {}, {"vcpuAffinity": ["0"], "hyperThreadAffinity": "sync"}, "vcpuAffinity must be 1"),
    ({}, {}, {"hyperThreadAffinity": "some"}, "must be one of any, internal, none, sync, lock"),
    ({"cpu_policy": "shared"}, {}, {"vcpuAffinity": ["0"]}, "not permitted to override"),
    ({}, {"cpu_policy": "shared"}, {"vcpuAffinity": ["0"]}, "A scheduler hint asks for hw:cpu_policy=dedicated"),
]  # fmt: skip


@pytest.mark.parametrize(("specs", "image", "hints", "words"), NONSENSE)
def test_what_makes_no_sense_is_refused_with_a_sentence(specs, image, hints, words):
    with pytest.raises(BadRequest) as refused:
        ask(specs, image, hints)
    assert words in refused.value.sentence


SETS = [("", ""), ("3,1,0", "0-1,3"), ("0-7,^2,^4-5", "0-1,3,6-7"), (" 1 - 2 , 9", "1-2,9"), ("5-5", "5")]


@pytest.mark.parametrize(("text", "shortest"), SETS)
def test_sets_of_cpus_are_read_and_spelled(text, shortest):
    assert cpu_sets.spell(cpu_sets.parse(text)) == shortest


@pytest.mark.parametrize("text", ["a", "1-", "3-1", "0-99999", "-1"])
def test_what_is_no_set_of_cpus_is_refused(text):
    with pytest.raises(ValueError):
        cpu_sets.parse(text)
