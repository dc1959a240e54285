"""Filters and weighers by name: our own, third parties' through entry points, and bad names."""

from __future__ import annotations

import sys

import pytest

from novalite.conf.load import for_tests
from novalite.errors import ConfigError
from novalite.scheduler import registry
from novalite.scheduler.explain import explain
from novalite.scheduler.pipeline import select
from tests.unit.scheduler.builders import a_host, a_plan, a_spec, hosts

SOURCE = """
class EvenNameFilter:
    asked = []
    def host_passes(self, host, spec):
        assert host.free_ram_mb >= spec.flavor.ram_mb
        assert host.free_disk_mb and host.nodename and host.availability_zone == "nova"
        assert host.hypervisor_type == "" and host.num_instances == 0 and host.vcpus_total == 16
        self.asked.append(host.host)
        return host.aggregates.get("x", {}).get("parity") == "even"

class NameWeigher:
    def __init__(self, conf):
        self.factor = conf.scheduler.ram_weight_multiplier
    def weigh(self, hosts, spec):
        import numpy
        return numpy.array([len(name) for name in hosts.names])
    def multiplier(self, hosts):
        return self.factor

class Nothing:
    pass

class Broken:
    def __init__(self):
        raise RuntimeError("no licence")
    def passes(self, hosts, spec):
        return True
"""
POINTS = """[novalite.scheduler.filters]
EvenNameFilter = acme_placement:EvenNameFilter
NothingFilter = acme_placement:Nothing
BrokenFilter = acme_placement:Broken
MissingFilter = acme_placement:Missing
[novalite.scheduler.weighers]
NameWeigher = acme_placement:NameWeigher
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """A real installed package of a third party."""
    (tmp_path / "acme_placement.py").write_text(SOURCE)
    info = tmp_path / "acme_placement-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-placement\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_placement", None)


def test_third_party_filter_is_asked_only_about_what_others_left(acme):
    plan = a_plan(enabled_filters=["ComputeFilter", "EvenNameFilter", "RamFilter"])
    seen = hosts(
        a_host("one"), a_host("two", aggregates={"x": {"parity": "even"}}), a_host("off", enabled=False)
    )
    answer = select(plan, seen, a_spec())
    assert [c.host for c in answer.selections[0].candidates] == ["two"]
    assert answer.refused == {"ComputeFilter": 1, "EvenNameFilter": 1, "RamFilter": 0}
    assert sys.modules["acme_placement"].EvenNameFilter.asked == ["one", "two"]
    assert {v.host: v.why for v in explain(plan, seen, a_spec())}["one"] == "EvenNameFilter refuses it"


def test_third_party_weigher_counts(acme):
    plan = a_plan(enabled_weighers=["NameWeigher"])
    (choice,) = select(plan, hosts(a_host("a"), a_host("abc"), a_host("ab")), a_spec()).selections
    assert [c.host for c in choice.candidates] == ["abc", "ab", "a"]


@pytest.mark.parametrize(
    ("option", "name", "sentence"),
    [
        (
            "enabled_filters",
            "NoSuchFilter",
            "is neither one of .* nor an entry point of novalite",
        ),
        (
            "enabled_weighers",
            "RamFilter",
            "is neither one of BuildFailureWeigher, CPUWeigher, ",
        ),
        ("enabled_filters", "NothingFilter", "NothingFilter has no method passes or host_passes"),
        ("enabled_filters", "BrokenFilter", "BrokenFilter cannot be made: no licence"),
        ("enabled_filters", "MissingFilter", "MissingFilter does not load"),
    ],
)
def test_bad_names_are_told_in_one_sentence(acme, option, name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        registry.plan(for_tests({f"scheduler.{option}": [name]}))


def test_order_is_that_of_the_configuration():
    plan = registry.plan(for_tests({"scheduler.enabled_filters": ["RamFilter", "CoreFilter"]}))
    assert list(plan.filters) == ["RamFilter", "CoreFilter"]
