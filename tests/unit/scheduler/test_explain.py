"""Explanations: the same answer as a decision, in words."""

from __future__ import annotations

from novalite.scheduler.explain import explain
from novalite.scheduler.pipeline import select
from tests.unit.scheduler.builders import a_host, a_plan, a_spec, hosts


def test_every_host_is_explained():
    seen = hosts(
        a_host("full", used_ram_mb=32000), a_host("half", used_ram_mb=16000), a_host("idle"),
        a_host("off", enabled=False),
    )  # fmt: skip
    verdicts = explain(a_plan(), seen, a_spec(ram_mb=2048))
    assert [v.host for v in verdicts] == ["idle", "half", "off", "full"]
    assert [v.rank for v in verdicts] == [1, 2, None, None]
    assert verdicts[0].weights == {"RAMWeigher": 1.0, "CPUWeigher": 0.0, "DiskWeigher": 0.0}
    assert (verdicts[2].refused_by, verdicts[2].why) == ("ComputeFilter", "its compute service is disabled")
    assert verdicts[3].why == "needs 2048 MB of memory, 768 of 32768 MB are free"


def test_explanation_agrees_with_the_decision():
    seen = hosts(*(a_host(f"h{i}", used_vcpus=i, used_disk_gb=i * 7 % 50) for i in range(16)))
    spec = a_spec(vcpus=4)
    (decided,) = select(a_plan(alternates=99), seen, spec).selections
    verdicts = explain(a_plan(), seen, spec)
    assert [v.host for v in verdicts if v.rank] == [c.host for c in decided.candidates]
    assert [v.weight for v in verdicts if v.rank] == [c.weight for c in decided.candidates]


def test_forced_host_explains_the_others():
    verdicts = explain(a_plan(), hosts(a_host("a"), a_host("b")), a_spec(forced_host="b"))
    assert [(v.host, v.rank, v.why) for v in verdicts] == [
        ("b", 1, None),
        ("a", None, "is not host b, which the request forces"),
    ]


def test_nothing_to_explain_in_an_empty_cloud():
    assert explain(a_plan(), hosts(), a_spec()) == []
