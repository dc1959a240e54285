"""Every other filter and weigher, all enabled at once, against plain Python that looks at one host at a time."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from novalite.scheduler.pipeline import select
from tests.unit.scheduler.builders import a_host, a_plan, a_spec, cells, gpus, hosts, wants_cpus, wants_gpus

MORE = (
    "NumInstancesFilter", "IoOpsFilter", "AggregateTypeAffinityFilter", "AggregateMultiTenancyIsolation",
    "AggregateInstanceExtraSpecsFilter", "AggregateImagePropertiesIsolation", "ComputeCapabilitiesFilter",
    "ImagePropertiesFilter", "IsolatedHostsFilter", "PhysicalNetworkFilter", "BandwidthFilter",
    "SimpleCIDRAffinityFilter", "JsonFilter", "PciPassthroughFilter",
    "NUMATopologyFilter",
)  # fmt: skip
WEIGHERS = (
    "IoOpsWeigher", "NumInstancesWeigher", "BuildFailureWeigher", "ImageCacheLocalityWeigher",
    "HypervisorVersionWeigher", "MetricsWeigher", "PCIWeigher",
)  # fmt: skip
PLAN = a_plan(
    enabled_filters=list(MORE), enabled_weighers=list(WEIGHERS), alternates=3,
    max_instances_per_host=3, max_io_ops_per_host=2, num_instances_weight_multiplier=0.5, isolated_hosts=["h1"],
    isolated_images=["secret"], metrics_weight_setting=["load=1.5"], metrics_required=False,
    metrics_weight_of_unavailable=-3.0, build_failure_weight_multiplier=7.0,
)  # fmt: skip


def said(row, key):
    """What the aggregates of a host say under a key."""
    return {v.strip() for m in row.aggregates.values() if key in m for v in m[key].split(",")}


def number(row, key, default):
    found = [float(m[key]) for m in row.aggregates.values() if key in m]
    return min(found) if found else default


def refuser(row, placed, spec):
    """The first filter that refuses, as the public guide describes each."""
    specs, image = spec.flavor.extra_specs, spec.image_properties
    bare = {k.split(":")[-1]: v for k, v in specs.items() if k == "ssd"}
    cores = specs.get("capabilities:cpu_info:cores")
    mbps = max([int(v) for k, v in specs.items() if k.startswith("quota:vif")], default=0) * 8 / 1000
    near, query = spec.hints.get("build_near_host_ip"), spec.hints.get("query")
    tenants, types, systems = (said(row, k) for k in ("filter_tenant_id", "instance_type", "os"))
    checks = [
        ("NumInstancesFilter", row.servers + placed < number(row, "max_instances_per_host", 3)),
        ("IoOpsFilter", row.io_ops + placed < number(row, "max_io_ops_per_host", 2)),
        ("AggregateTypeAffinityFilter", not types or spec.flavor.name in types),
        ("AggregateMultiTenancyIsolation", not tenants or spec.project_id in tenants),
        ("AggregateInstanceExtraSpecsFilter", all(v in said(row, k) for k, v in bare.items())),
        ("AggregateImagePropertiesIsolation", not ("os" in image and systems and image["os"] not in systems)),
        ("ComputeCapabilitiesFilter", not bare and (cores is None or row.cpu_info.get("cores", 0) >= 4)),
        ("ImagePropertiesFilter", image.get("hw_architecture") in (None, row.cpu_info.get("arch"))),
        ("IsolatedHostsFilter", (spec.image_id == "secret") == (row.host == "h1")),
        ("PhysicalNetworkFilter", set(spec.physical_networks) <= set(row.physical_networks)),
        ("BandwidthFilter", not mbps or row.bandwidth_mbps >= mbps),
        ("SimpleCIDRAffinityFilter", near is None or row.host_ip.rsplit(".", 1)[0] == near.rsplit(".", 1)[0]),
        ("JsonFilter", query is None or row.servers + placed > 0),
        ("PciPassthroughFilter", not gpus_of(spec) or row.pci_free >= gpus_of(spec) * (placed + 1)),
        ("NUMATopologyFilter", spec.numa is None or CPUS.get(row.numa, 0) >= 2 * (placed + 1)),
    ]  # fmt: skip
    return next((name for name, passed in checks if not passed), None)


CPUS = {cells("0-1")["numa"]: 2, cells("0-5")["numa"]: 6}


def gpus_of(spec):
    return sum(one.count for one in spec.pci_requests)


def ranked(rows, placed, spec):
    kept = [row for row in rows if refuser(row, placed[row.host], spec) is None]
    weighers = [
        ([row.io_ops + placed[row.host] for row in kept], -1.0),
        ([row.servers + placed[row.host] for row in kept], 0.5),
        ([-row.failed_builds for row in kept], 7.0),
        ([int(spec.image_id in row.cached_images) for row in kept], 1.0),
        ([row.hypervisor_version for row in kept], 1.0),
        ([row.metrics["load"] * 1.5 if "load" in row.metrics else -3.0 for row in kept], 1.0),
        ([placed[row.host] * gpus_of(spec) - row.pci_free for row in kept], 1.0),
    ]
    totals = [0.0] * len(kept)
    for raw, factor in weighers:
        low, high = min(raw, default=0), max(raw, default=0)
        parts = [(one - low) / (high - low) * factor if high > low else 0.0 for one in raw]
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    order = sorted(range(len(kept)), key=lambda i: -totals[i])
    return [(kept[i].host, totals[i]) for i in order]


metadata = st.fixed_dictionaries(
    {},
    optional={
        "max_instances_per_host": st.sampled_from(["1", "5"]),
        "max_io_ops_per_host": st.sampled_from(["1", "4"]),
        "instance_type": st.sampled_from(["small", "large, small", "large"]),
        "filter_tenant_id": st.sampled_from(["p", "q"]),
        "ssd": st.sampled_from(["true", "false"]),
        "os": st.sampled_from(["linux", "windows, linux", "windows"]),
    },
)
fleets = st.lists(
    st.fixed_dictionaries(
        {
            "servers": st.integers(0, 4),
            "io_ops": st.integers(0, 3),
            "failed_builds": st.integers(0, 2),
            "aggregates": st.dictionaries(st.sampled_from("xy"), metadata, max_size=2),
            "cpu_info": st.fixed_dictionaries({"arch": st.sampled_from(["x86_64", "aarch64"]),
                                               "cores": st.integers(3, 4)}),
            "physical_networks": st.sampled_from([(), ("red",), ("blue", "red")]),
            "bandwidth_mbps": st.sampled_from([0, 8, 10]),
            "host_ip": st.sampled_from(["10.0.0.1", "10.0.1.1"]),
            "cached_images": st.sampled_from([(), ("image",), ("secret", "image")]),
            "hypervisor_version": st.sampled_from([1, 2]),
            "metrics": st.sampled_from([{}, {"load": 1.0}, {"load": 4.0, "other": 1.0}]),
            "pci_pools": st.sampled_from([(), gpus(1)["pci_pools"], gpus(4)["pci_pools"]]),
            "numa": st.sampled_from(["", *CPUS]),
        }
    ),
    max_size=10,
).map(lambda facts: [a_host(f"h{i}", **each) for i, each in enumerate(facts)])  # fmt: skip
requests = st.fixed_dictionaries(
    {
        "count": st.integers(1, 8),
        "project_id": st.sampled_from(["p", "q"]),
        "image_id": st.sampled_from(["image", "image", "secret"]),
        "extra_specs": st.sampled_from(
            [{}, {}, {"capabilities:cpu_info:cores": ">= 4"}, {"quota:vif_inbound_average": "1000"},
             {"quota:vif_inbound_average": "1001"}, {"hw:cpu_policy": "shared"}]
        ),
        "image_properties": st.sampled_from([{}, {}, {"os": "linux"}, {"hw_architecture": "x86_64"}]),
        "physical_networks": st.sampled_from([(), (), ("red",)]),
        "pci_requests": st.sampled_from([(), (), wants_gpus(1)["pci_requests"], wants_gpus(2)["pci_requests"]]),
        "numa": st.sampled_from([None, None, wants_cpus(2)["numa"]]),
        "hints": st.sampled_from([{}, {}, {"build_near_host_ip": "10.0.0.77"}, {"query": '[">", "$servers", 0]'}]),
    }
).map(lambda asked: a_spec(**asked))  # fmt: skip


@example(rows=[a_host("h0"), a_host("h2")], spec=a_spec(count=2, project_id="p", image_id="image"))
@settings(max_examples=400, deadline=None)
@given(rows=fleets, spec=requests)
def test_all_filters_and_weighers_agree_with_one_host_at_a_time(rows, spec):
    placed = dict.fromkeys((row.host for row in rows), 0)
    expected = []
    for _ in range(spec.count):
        order = ranked(rows, placed, spec)
        if not order:
            break
        expected.append(order[:4])
        placed[order[0][0]] += 1
    answer = select(PLAN, hosts(*rows), spec)
    assert [[(c.host, c.weight) for c in s.candidates] for s in answer.selections] == expected
