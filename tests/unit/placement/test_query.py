"""Query strings by version: what is read, and the sentence for what is not understood."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from novalite.errors import BadRequest
from novalite.objects.placement import Membership, TraitRule
from novalite.objects.placement_candidates import Group
from novalite.objects.placement_errors import UNDEFINED, code_of
from novalite.placement import query

A, B = "1" * 8 + "-1111-4111-8111-" + "1" * 12, "2" * 8 + "-2222-4222-8222-" + "2" * 12


def asked(text: str, minor: int = 39) -> Any:
    return query.candidates(parse_qsl(text, keep_blank_values=True), minor)


def trait(*names: str, forbidden: bool = False) -> TraitRule:
    return TraitRule(traits=names, forbidden=forbidden)


def member(*uuids: str, forbidden: bool = False) -> Membership:
    return Membership(aggregates=uuids, forbidden=forbidden)


ONE = {"VCPU": 1}
READ = [
    ("resources=VCPU:2,DISK_GB:5", 10, {"resources": {"VCPU": 2, "DISK_GB": 5}}),
    ("resources=VCPU:2&resources=VCPU:3", 10, {"resources": {"VCPU": 3}}),
    ("resources=VCPU:1&required=A,!B", 22,
     {"resources": ONE, "required": (trait("A"), trait("B", forbidden=True))}),
    ("resources=VCPU:1&required=A&required=B", 38, {"resources": ONE, "required": (trait("B"),)}),
    ("resources=VCPU:1&required=A&required=in:B,C&required=!D", 39,
     {"resources": ONE, "required": (trait("A"), trait("B", "C"), trait("D", forbidden=True))}),
    (f"resources=VCPU:1&member_of={A}", 21, {"resources": ONE, "member_of": (member(A),)}),
    (f"resources=VCPU:1&member_of=in:{A},{B}&member_of={B}", 24,
     {"resources": ONE, "member_of": (member(A, B), member(B))}),
    (f"resources=VCPU:1&member_of=!in:{A},{B}&member_of=!{A}", 32,
     {"resources": ONE, "member_of": (member(A, B, forbidden=True), member(A, forbidden=True))}),
    ("resources7=VCPU:1", 25, {"suffix": "7", "resources": ONE}),
    (f"resources_X-1=VCPU:1&in_tree_X-1={A}", 33, {"suffix": "_X-1", "resources": ONE, "in_tree": A}),
    (f"resources=VCPU:1&in_tree={A.replace('-', '')}", 31, {"resources": ONE, "in_tree": A}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "minor", "group"), READ)
def test_a_group(text: str, minor: int, group: dict[str, Any]) -> None:
    assert asked(text, minor).groups == (Group(**group),)


def test_what_is_asked_of_the_whole() -> None:
    found = asked(
        "resources1=VCPU:1&required2=A&resources=DISK_GB:1&group_policy=isolate&limit=3&limit=9"
        "&root_required=R,!S&same_subtree=1,2,1",
        36,
    )
    assert [group.suffix for group in found.groups] == ["1", "2", ""]
    assert (found.isolate, found.limit, found.nested) == (True, 3, True)
    assert (found.root_required, found.root_forbidden, found.same_subtrees) == (("R",), ("S",), (("1", "2"),))
    assert not asked("resources=VCPU:1", 28).nested


MANY, LONG, WORDS = "at most 1000 resource classes", "resources", ",".join(f"T{n}" for n in range(500))
REFUSED = [
    ("", 10, "'resources' is a required property", None),
    ("resources=", 10, "Got: empty string.", None),
    ("resources=VCPU", 10, "Badly formed resources parameter", None),
    ("resources=VCPU:1,", 10, "Got: .", None),
    ("resources=VCPU:one", 10, "VCPU expected positive integer amount. Got: one.", None),
    ("resources=VCPU:" + "9" * 5000, 10, "VCPU expected positive integer amount", None),
    ("resources=VCPU:0", 10, "VCPU requires amount >= 1. Got: 0.", None),
    ("resources=VCPU:-2", 10, "VCPU requires amount >= 1. Got: -2.", None),
    ("resources=VCPU:2147483648", 10, "VCPU requires amount <= 2147483647", None),
    ("resources=VCPU:1&limit=1", 15, "'limit' was unexpected", None),
    ("resources=VCPU:1&limit=0", 16, "Failed validating 'pattern'", None),
    ("resources=VCPU:1&limit=cow&limit=1", 16, "Failed validating 'pattern'", None),
    ("resources=VCPU:1&required=A", 16, "'required' was unexpected", None),
    ("resources=VCPU:1&required=!A", 21, "of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: !A", None),
    (
        "resources=VCPU:1&required=,",
        22,
        "of the form: HW_CPU_X86_VMX,!CUSTOM_MAGIC. Got: ,",
        None,
    ),
    ("resources=VCPU:1&required=!", 22, "Got: !", None),
    ("resources=VCPU:1&required=in:A", 38, "only supported since microversion 1.39", None),
    ("resources=VCPU:1&required=in:A,", 39, "of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC", None),
    ("resources=VCPU:1&required=in:A,!B", 39, "of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC", None),
    (
        "resources1=VCPU:1&required1=A,!A",
        25,
        "following traits keys: required1: (A)",
        "placement.query.bad_value",
    ),
    (
        "resources=VCPU:1&required=in:A,B&required=!A,!B",
        39,
        "traits keys: required: (A, B)",
        "placement.query.bad_value",
    ),
    (f"resources=VCPU:1&member_of={A}", 20, "'member_of' was unexpected", None),
    (f"resources=VCPU:1&member_of={A}&member_of={B}", 23, "Multiple member_of parameters", None),
    (f"resources=VCPU:1&member_of={A},{B}", 24, "must be prefixed with the 'in:'", None),
    (f"resources=VCPU:1&member_of=!{A}", 31, "Forbidden member_of parameters are not supported", None),
    ("resources=VCPU:1&member_of=in:", 24, "Expected 'member_of' parameter to contain valid UUID(s)", None),
    ("resources=VCPU:1&in_tree=me", 31, "Expected 'in_tree' parameter to be a format of uuid", None),
    ("resources1=VCPU:1", 24, "'resources1' was unexpected", None),
    ("resources01=VCPU:1", 25, "'resources01' does not match any of the regexes", None),
    ("resources_A=VCPU:1", 32, "'resources_A' does not match any of the regexes", None),
    ("resources1%0a=VCPU:1", 39, "does not match any of the regexes", None),
    ("resources=VCPU:1&root_required=A", 34, "'root_required' does not match any of the regexes", None),
    ("resources=VCPU:1&root_required=A&root_required=B", 35, "only once", "placement.query.duplicate_key"),
    ("resources=VCPU:1&root_required=A,!A", 35, "found in root_required: A", "placement.query.bad_value"),
    ("resources=VCPU:1&group_policy=maybe", 25, "'maybe' is not one of ['none', 'isolate']", None),
    ("resources1=VCPU:1&resources2=VCPU:1", 25, '"group_policy" parameter is required', None),
    ("required=A&required1=B", 25, "orphaned traits keys: required, required1", None),
    (f"member_of={A}&member_of3={B}", 25, "orphaned member_of keys: member_of, member_of3", None),
    (f"in_tree={A}", 31, "All request groups must specify resources.", None),
    ("group_policy=none", 25, "At least one request group", None),
    ("required1=A", 36, "There must be at least one resources", "placement.query.missing_value"),
    ("resources=VCPU:1&required1=A", 36, "bad group(s) - ['1']", "placement.query.bad_value"),
    ("resources1=VCPU:1&same_subtree=1,2", 36, "['2'] not found in ['1']", "placement.query.bad_value"),
    ("resources1=VCPU:1&same_subtree=1,", 36, "Empty string (unsuffixed group)", "placement.query.bad_value"),
    (
        "&".join(f"resources{n}=A:1" for n in range(1, 66)),
        39,
        "at most 64 groups",
        "placement.query.bad_value",
    ),
    ("resources=" + ",".join(f"A{n}:1" for n in range(1001)), 10, MANY, "placement.query.bad_value"),
    ("resources=A:1" + "&required=B" * 1001, 39, MANY, "placement.query.bad_value"),
    (
        f"{LONG}1=VCPU:1&required1={WORDS}&{LONG}2=VCPU:1&required2={WORDS}",
        36,
        MANY,
        "placement.query.bad_value",
    ),
    (f"resources=A:1&required={WORDS}&root_required={WORDS}", 35, MANY, "placement.query.bad_value"),
]


@pytest.mark.parametrize(("text", "minor", "sentence", "code"), REFUSED)
def test_what_is_not_understood(text: str, minor: int, sentence: str, code: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        asked(text, minor)
    assert sentence in refused.value.sentence
    assert code_of(refused.value) == (code or UNDEFINED)
