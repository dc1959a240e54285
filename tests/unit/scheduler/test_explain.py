"""Explanations: the same answer as a decision, in words."""

from __future__ import annotations

import pytest

from novalite.objects.scheduling import GroupRequest
from novalite.scheduler.explain import explain, nearly, what_if
from novalite.scheduler.pipeline import filters_for, select
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


NEARLY = [
    ({"vcpus": 20}, ["It would fit with at most 16 instead of 20 vCPUs."]),
    (
        {"vcpus": 17, "ram_mb": 32769},
        ["It would fit with at most 16 instead of 17 vCPUs and 32768 instead of 32769 MB of memory."],
    ),
    (
        {"availability_zone": "west", "vcpus": 8},
        [
            "It would fit with at most 4 instead of 8 vCPUs.",
            "It would fit on 1 host if not for AvailabilityZoneFilter.",
        ],
    ),
    (
        {"excluded": {"east": "broke"}, "availability_zone": "nova"},
        [
            "It would fit on 1 host if not for RetryFilter.",
            "It would fit on 1 host if not for AvailabilityZoneFilter.",
        ],
    ),
    ({}, []),
]


@pytest.mark.parametrize(("asked", "said"), NEARLY)
def test_what_would_have_to_be_otherwise(asked, said):
    seen = hosts(a_host("east"), a_host("west", zone="west", used_vcpus=12))
    spec = a_spec(**asked)
    plan = a_plan()
    assert sorted(nearly(filters_for(plan, spec), seen, spec)) == sorted(said)
    assert nearly(filters_for(plan, spec), hosts(), spec) == ()


def test_how_many_would_fit_follows_every_rule():
    seen = hosts(*(a_host(f"h{i}", used_vcpus=i) for i in range(4)))
    told = what_if(a_plan(), seen, a_spec(vcpus=4, count=2), 2)
    assert (told.fits, told.passed, told.nearly) == (4 + 3 + 3 + 3, 4, ())
    assert [one.host for one in told.hosts] == ["h0", "h1"] and told.hosts_left_out == 2
    apart = GroupRequest(policy="anti-affinity", hosts={"h0": 1})
    assert what_if(a_plan(), seen, a_spec(group=apart), 0).fits == 3
