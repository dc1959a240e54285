"""Which devices a server gets: the flow against trying everything, and the rules one by one."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novalite.objects.pci import KnownDevice, PciMatch, PciPool, PciRequest, givable, pooled
from novalite.scheduler.pci import FAR, fit, missing, times

GPU = PciPool(vendor_id="10de", product_id="1eb8", free=2, numa_node=0)


def wants(count: int = 1, alias: str = "a", policy: str = "legacy", **match: str) -> PciRequest:
    return PciRequest(alias=alias, count=count, any_of=(PciMatch(**match),), policy=policy)  # type: ignore[arg-type]


def known(number: int, kind: str = "type-PCI", parent: int | None = None, **more: object) -> KnownDevice:
    where = None if parent is None else f"0000:00:{parent:02x}.0"
    facts = {"vendor_id": "8086", "product_id": "10", "kind": kind, "parent": where, **more}
    return KnownDevice(address=f"0000:00:{number:02x}.0", **facts)  # type: ignore[arg-type]


POLICIES = [
    # policy, node of the devices, cells of the guest, whether they will do
    ("legacy", 0, {0}, True),
    ("legacy", 0, {1}, False),
    ("legacy", 0, {0, 1}, True),
    ("legacy", None, {1}, True),
    ("required", 0, {0}, True),
    ("required", 0, {1}, False),
    ("required", None, {0}, False),
    ("preferred", 0, {1}, True),
    ("preferred", None, {1}, True),
    ("socket", 0, {1}, True),
    ("socket", 0, {2}, False),
    ("socket", None, {0}, False),
    ("required", 0, None, True),
    ("required", None, None, True),
]


@pytest.mark.parametrize(("policy", "node", "cells", "does"), POLICIES)
def test_numa_policies(policy, node, cells, does):
    pool = GPU.model_copy(update={"numa_node": node})
    found = fit([pool], [wants(policy=policy)], cells, sockets={0: 0, 1: 0, 2: 1, 3: 1})
    assert (found is not None) is does


def test_near_devices_are_preferred_and_words_say_what_is_missing():
    far, near = GPU.model_copy(update={"numa_node": 1}), GPU
    assert fit([far, near], [wants(2, policy="preferred")], {0}) == [{1: 2}]
    assert fit([far, near], [wants(3, policy="preferred")], {0}) == [{0: 1, 1: 2}]
    assert missing([GPU], [wants(2)]) == ""
    assert missing([GPU], [wants(3)]) == "needs 3 PCI devices of alias a, 2 are free"
    assert missing([GPU], [wants(1)], {1}) == "needs 1 PCI devices of alias a, 0 are free near enough (legacy)"
    both = [wants(1, "a"), wants(2, "b")]
    assert missing([GPU], both) == "needs PCI devices a:1, b:2, which share what is free"


def test_parts_are_taken_where_the_whole_is_gone_already():
    """A whole function stays whole as long as parts of another will do."""
    shared = {"vendor_id": "8086"}
    pools = [
        PciPool(**shared, product_id="f", kind="type-PF", function="x", free=1),
        PciPool(**shared, product_id="v", kind="type-VF", function="x", free=4),
        PciPool(**shared, product_id="v", kind="type-VF", function="y", free=1),
    ]
    part, whole = wants(kind="type-VF"), wants(kind="type-PF", alias="w")
    assert fit(pools, [part]) == [{2: 1}]
    assert fit(pools, [whole, part]) == [{0: 1}, {2: 1}]
    assert fit(pools, [whole, wants(2, kind="type-VF")]) is None
    assert fit(pools, times([part], 5)) == [{1: 4, 2: 1}]
    assert fit(pools, times([part], 6)) is None


def test_a_device_that_is_given_takes_its_whole_and_its_parts_along():
    devices = [
        known(1, "type-PF"), known(2, "type-VF", 1, holder="s"), known(3, "type-VF", 1),
        known(4, "type-PF", holder="s"), known(5, "type-VF", 4),
        known(6), known(7, gone=True), known(8, holder="s"),
    ]  # fmt: skip
    assert [one.address for one in givable(devices)] == ["0000:00:03.0", "0000:00:06.0"]
    assert [(pool.kind, pool.function, pool.free) for pool in pooled(devices)] == [
        ("type-VF", "0000:00:01.0", 1), ("type-PCI", "", 1),
    ]  # fmt: skip


# --- against trying everything -----------------------------------------------------------------

NODES = st.sampled_from([None, 0, 1])


@st.composite
def fleets(draw: st.DrawFn) -> list[KnownDevice]:
    """A host's devices: plain ones, and functions with parts."""
    found = [
        known(n, product_id=draw(st.sampled_from("ab")), numa_node=draw(NODES))
        for n in range(draw(st.integers(0, 3)))
    ]
    for n in range(draw(st.integers(0, 2))):
        node, at = draw(NODES), 16 * (n + 1)
        found.append(known(at, "type-PF", product_id="f", numa_node=node))
        parts = draw(st.integers(0, 2))
        found += [known(at + 1 + i, "type-VF", at, product_id="v", numa_node=node) for i in range(parts)]
    taken = draw(st.sets(st.integers(0, 8), max_size=2))
    return [one.model_copy(update={"holder": "s"}) if at in taken else one for at, one in enumerate(found)]


MATCHES = st.lists(
    st.builds(
        PciMatch, kind=st.sampled_from(["type-PCI", "type-PF", "type-VF"]),
        product_id=st.sampled_from([None, "a", "b", "v"]),
    ),
    min_size=1, max_size=2,
)  # fmt: skip
REQUESTS = st.lists(
    st.builds(
        PciRequest, alias=st.just("a"), count=st.integers(1, 2), any_of=MATCHES.map(tuple),
        policy=st.sampled_from(["legacy", "required", "preferred", "socket"]),
    ),
    min_size=1, max_size=2,
)  # fmt: skip
SOCKETS = {0: 0, 1: 1}


def suits(device: KnownDevice, request: PciRequest, cells: set[int] | None) -> bool:
    """The rule for one device, in the words of the documentation."""
    if not any(m.kind == device.kind and m.product_id in (None, device.product_id) for m in request.any_of):
        return False
    if cells is None or request.policy == "preferred" or device.numa_node in cells:
        return True
    return device.numa_node is None and request.policy == "legacy"


def brute(devices: list[KnownDevice], requests: list[PciRequest], cells: set[int] | None) -> int | None:
    """How few devices can be far where near ones are preferred; None when nothing will do."""
    units = [request for request in requests for _ in range(request.count)]
    free = [one for one in devices if not one.holder]
    busy = {one.address for one in devices if one.holder} | {one.parent for one in devices if one.holder}
    best = None
    options = [[at for at, one in enumerate(free) if suits(one, unit, cells)] for unit in units]
    for chosen in product(*options):
        if len(set(chosen)) < len(chosen):
            continue
        given = [free[at] for at in chosen]
        if any(one.address in busy or one.parent in busy - {None} for one in given if one.kind != "type-VF"):
            continue
        if any(one.kind == "type-VF" and _whole_is_given(devices, one) for one in given):
            continue
        if any(one.parent == other.address or other.parent == one.address for one, other in combinations(given, 2)):
            continue
        far = sum(
            1 for one, unit in zip(given, units, strict=True)
            if cells is not None and unit.policy == "preferred" and one.numa_node not in cells
        )
        best = far if best is None else min(best, far)
    return best


def _whole_is_given(devices: list[KnownDevice], part: KnownDevice) -> bool:
    return any(one.address == part.parent and one.holder for one in devices)


@given(fleets(), REQUESTS, st.sampled_from([None, {0}, {1}, {0, 1}]))
@settings(max_examples=300, deadline=None)
def test_the_flow_finds_what_trying_everything_finds(devices, requests, cells):
    members = pooled(devices)
    pools = list(members)
    found, wanted = fit(pools, requests, cells, SOCKETS), brute(devices, requests, cells)
    assert (found is None) == (wanted is None)
    if found is None:
        assert missing(pools, requests, cells)
        return
    far = 0
    for request, picks in zip(requests, found, strict=True):
        assert sum(picks.values()) == request.count
        for at in picks:
            assert all(suits(one, request, cells) for one in members[pools[at]])
        if request.policy == "preferred" and cells is not None:
            far += sum(number for at, number in picks.items() if pools[at].numa_node not in cells)
    for at, pool in enumerate(pools):
        assert sum(picks.get(at, 0) for picks in found) <= pool.free
    whole = {pools[at].function for picks in found for at in picks if pools[at].kind == "type-PF"}
    assert not any(pools[at].function in whole for picks in found for at in picks if pools[at].kind == "type-VF")
    assert far == wanted, FAR
