"""The host table: deltas by version, debits that end, aggregates that override, threads that share."""

from __future__ import annotations

import logging
import random
import threading

import numpy as np
import pytest

from novalite.scheduler.host_table import HostTable
from novalite.scheduler.request import Need
from novalite.scheduler.store import Store
from tests.unit.scheduler.builders import NOW, a_host, hosts

NEED = Need(2, 1024, 10)


class Time:
    """A clock that tests push on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def table(time):
    return HostTable([a_host("a"), a_host("b")], debit_seconds=10.0, clock=time, ticks=time)


def free(table: HostTable, name: str) -> int:
    seen = table.hosts()
    return int(seen.free_vcpus[seen.store.index[name]])


# --- deltas ---------------------------------------------------------------------------------------


def test_newer_row_replaces_and_older_is_ignored(table):
    table.apply([a_host("a", version=5, used_vcpus=4)])
    table.apply([a_host("a", version=4, used_vcpus=9)])
    assert free(table, "a") == 12


def test_heartbeats_count_whatever_their_version_and_never_go_back(table):
    def seen():
        return float(table.hosts().last_seen[0])

    table.apply([a_host("a", version=5, last_seen=NOW + 10)])
    table.apply([a_host("a", version=5, last_seen=NOW + 20)])
    assert seen() == NOW + 20
    table.apply([a_host("a", version=4, last_seen=NOW + 30)])
    assert seen() == NOW + 30
    table.apply([a_host("a", version=6, last_seen=NOW)])
    assert seen() == NOW + 30


def test_new_host_joins_and_deleted_one_leaves(table):
    table.apply([a_host("c"), a_host("a", version=2, deleted=True)])
    assert sorted(table.hosts().names) == ["b", "c"]


def test_late_delta_does_not_bring_a_deleted_host_back(table):
    table.apply([a_host("a", version=9, deleted=True)])
    table.apply([a_host("a", version=8)])
    assert table.hosts().names == ["b"]


def test_host_that_comes_back_later_counts_again(table):
    table.apply([a_host("a", version=9, deleted=True)])
    table.apply([a_host("a", version=1, last_seen=NOW + 60)])
    assert sorted(table.hosts().names) == ["a", "b"]


def test_deletion_may_come_before_what_it_deletes(table):
    table.apply([a_host("c", version=3, deleted=True)])
    table.apply([a_host("c", version=2)])
    assert table.hosts().names == ["a", "b"]


def test_full_read_replaces_everything(table):
    table.replace([a_host("b", version=1, used_vcpus=1), a_host("c"), a_host("d", deleted=True)])
    assert table.hosts().names == ["b", "c"]
    assert free(table, "b") == 15


def test_many_changes_leave_the_same_columns_as_a_fresh_table():
    rng, known = random.Random(3), {}
    table = HostTable()
    for version in range(1, 1500):
        name = f"h{rng.randrange(150)}"
        row = a_host(
            name, version=version, node=f"{name}-{rng.randrange(2)}", zone=rng.choice("xyz"),
            used_vcpus=rng.randrange(9), deleted=rng.random() < 0.3, last_seen=NOW + version,
            aggregates={"fast": {"ssd": rng.choice(["1", "2"])}} if rng.random() < 0.5 else {},
            traits=("T",) if rng.random() < 0.5 else (),
        )  # fmt: skip
        table.apply([row])
        known.pop(name, None)
        if not row.deleted:
            known[name] = row
    fresh, lived = hosts(*known.values()), table.hosts()
    assert sorted(lived.names) == sorted(fresh.names)
    for name in known:
        mine = lived.row(lived.store.index[name])
        assert mine == fresh.row(fresh.store.index[name])
        told = known[name]
        assert (mine.zone, mine.node, mine.aggregates, mine.traits, mine.used_vcpus) == (
            told.zone, told.node, told.aggregates, told.traits, told.used_vcpus,
        )  # fmt: skip


# --- debits ---------------------------------------------------------------------------------------


def test_own_pick_counts_at_once_until_the_row_has_it(table):
    table.debit("a", NEED, "s1")
    assert free(table, "a") == 14
    assert int(table.hosts().servers[0]) == 1
    table.apply([a_host("a", version=2, used_vcpus=2, servers=1)])
    assert free(table, "a") == 14
    assert not table.has_debits


def test_row_with_one_of_two_picks_leaves_the_other_debited(table):
    table.debit("a", NEED, "s1")
    table.debit("a", NEED, "s2")
    table.apply([a_host("a", version=2, used_vcpus=2, servers=1)])
    assert free(table, "a") == 12
    table.apply([a_host("a", version=3, used_vcpus=4, servers=2)])
    assert free(table, "a") == 12
    assert not table.has_debits


def test_heartbeat_pays_no_debit(table):
    table.debit("a", NEED, "s1")
    table.apply([a_host("a", version=1, last_seen=NOW + 5), a_host("a", version=2, zone="west")])
    assert free(table, "a") == 14


def test_lost_build_does_not_shrink_a_host_forever(table, time):
    table.debit("a", NEED, "s1")
    time.now += 9.9
    assert free(table, "a") == 14
    time.now += 0.2
    assert free(table, "a") == 16
    assert not table.has_debits


def test_server_asked_for_again_gives_its_first_pick_back(table):
    table.debit("a", NEED, "s1")
    table.debit("b", NEED, "s2")
    table.forget_debits("s1")
    table.forget_debits("unknown")
    assert (free(table, "a"), free(table, "b")) == (16, 14)


def test_debits_survive_a_full_read_that_does_not_have_them(table):
    table.debit("a", NEED, "s1")
    table.debit("b", NEED, "s2")
    table.replace([a_host("a"), a_host("b", version=2, used_vcpus=2, servers=1)])
    assert (free(table, "a"), free(table, "b")) == (14, 14)
    table.forget_debits("s1")
    assert free(table, "a") == 16
    assert not table.has_debits


def test_debits_end_with_their_host(table, time):
    table.debit("a", NEED, "s1")
    table.debit("nobody", NEED, "s2")
    table.apply([a_host("a", version=2, deleted=True)])
    assert not table.has_debits
    table.debit("b", NEED, "s3")
    table.replace([a_host("a")])
    time.now += 60
    assert free(table, "a") == 16
    assert not table.has_debits


def test_without_debits_shows_what_conductors_told(table):
    table.apply([a_host("a", version=2, used_vcpus=3, used_ram_mb=100, used_disk_gb=7, servers=1)])
    table.debit("a", NEED, "s1")
    bare, seen = table.hosts().without_debits(), table.hosts()
    for name in ("used_vcpus", "used_ram_mb", "used_disk_gb", "servers"):
        assert getattr(bare, name)[0] < getattr(seen, name)[0]
    assert (bare.free_vcpus[0], bare.free_ram_mb[0], bare.free_disk_gb[0]) == (13, 32668, 493)
    assert (seen.free_vcpus[0], seen.free_ram_mb[0], seen.free_disk_gb[0]) == (11, 31644, 483)
    assert bare.named(["b"]).tolist() == [False, True]


# --- aggregates -----------------------------------------------------------------------------------


def setting(seen, name="limit", default=8.0):
    return np.broadcast_to(seen.setting(name, default), len(seen)).tolist()


def test_setting_is_the_default_unless_an_aggregate_says_otherwise(caplog):
    seen = hosts(
        a_host("plain"),
        a_host("one", aggregates={"x": {"limit": "3"}}),
        a_host("two", aggregates={"x": {"limit": "3"}, "y": {"limit": "2"}}),
        a_host("silly", aggregates={"z": {"limit": "many"}}),
    )
    with caplog.at_level(logging.WARNING):
        assert setting(seen) == [8, 3, 2, 8]
        assert setting(seen) == [8, 3, 2, 8]
    assert caplog.text.count("aggregate z: limit='many' is not a number") == 1
    assert setting(seen.take(np.array([2, 0]))) == [2, 8]
    assert seen.setting("unheard_of", 5.0) == 5.0


def test_setting_follows_changes():
    table = HostTable([a_host("a"), a_host("b")])
    assert setting(table.hosts()) == [8, 8]
    table.apply([a_host("a", version=2, aggregates={"x": {"limit": "1"}})])
    assert setting(table.hosts()) == [1, 8]
    table.apply([a_host("c", aggregates={"x": {"limit": "1"}})])
    assert setting(table.hosts()) == [1, 8, 1]
    table.apply([a_host("a", version=3, aggregates={"x": {"limit": "5"}})])
    assert setting(table.hosts()) == [5, 8, 1]
    table.apply([a_host("a", version=4, deleted=True)])
    assert dict(zip(table.hosts().names, setting(table.hosts()), strict=True)) == {"b": 8, "c": 1}


# --- the rest -------------------------------------------------------------------------------------


def test_unknown_column_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no column 'colour'"):
        _ = hosts(a_host()).colour  # type: ignore[attr-defined]


def test_snapshot_is_not_touched_by_later_changes(table):
    shot = table.snapshot()
    table.apply([a_host("a", version=2, used_vcpus=9), a_host("c"), a_host("b", version=2, deleted=True)])
    assert shot.names == ["a", "b"]
    assert shot.free_vcpus.tolist() == [16, 16]


def test_readers_and_writers_share_the_table():
    """Rows come and go while others read: every view is consistent, and the end is exact."""
    table = HostTable([a_host(f"h{i}") for i in range(50)])
    wrong: list[str] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)
        for version in range(2, 300):
            name = f"h{rng.randrange(80)}"
            deleted = rng.random() < 0.2
            used = version % 16
            table.apply(
                [a_host(name, version=version, used_vcpus=used, deleted=deleted, last_seen=NOW + version)]
            )

    def read() -> None:
        for _ in range(300):
            with table.lock:
                seen = table.hosts()
                if not (seen.cap_vcpus - seen.used_vcpus == seen.free_vcpus).all():
                    wrong.append("free is not capacity minus use")
                if len(set(seen.names)) != len(seen):
                    wrong.append("a host twice")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    seen = table.hosts()
    assert seen.store.index == {name: at for at, name in enumerate(seen.names)}


def test_arrays_grow():
    store = Store(a_host(f"h{i}", used_vcpus=i % 16) for i in range(1000))
    assert store.size == 1000
    assert hosts(*(a_host(f"h{i}") for i in range(65))).names[64] == "h64"
    assert int(store.columns["free_vcpus"][999]) == 16 - 999 % 16
