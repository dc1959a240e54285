"""The daemon on a real bus: a conductor that answers, stays silent, loses messages; threads that race."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from novalite.conf.load import for_tests
from novalite.context import system
from novalite.errors import BadRequest, ConfigError, Unavailable
from novalite.objects.hosts import HostDeltas, HostTableDump
from novalite.objects.scheduling import GroupRequest, ManySpecs
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import HostFeed, Hosts, Scheduler
from novalite.rpc.local import LocalBus
from novalite.scheduler.manager import SchedulerManager
from tests.unit.scheduler.builders import a_host, a_spec

CTX = system()


class Conductor(Hosts):
    """Answers full reads from `rows`, and counts them; tells changes as a real one does."""

    def __init__(self, bus: LocalBus) -> None:
        self.rows: dict[str, object] = {}
        self.seq = self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.feed = Client(bus).of(HostFeed)

    def table(self, ctx):
        self.reads += 1
        self.gate.wait(20)
        return HostTableDump(rows=tuple(self.rows.values()), seqs={"c1": self.seq})

    def change(self, *rows, lost=False):
        self.seq += 1
        self.rows.update({row.host: row for row in rows})
        if not lost:
            self.feed.changed(CTX, HostDeltas(source="c1", seq=self.seq, rows=rows))


class Bench:
    """A bus with one scheduler and, from `answer()` on, a conductor."""

    def __init__(self, **overrides: object) -> None:
        self.bus = LocalBus()
        options = {"scheduler.shuffle_best_same_weighed_hosts": False, **overrides}
        self.manager = SchedulerManager(for_tests(options), Client(self.bus))
        self.bus.serve("scheduler", "node0", self.manager.endpoints(), workers=4).start()
        self.scheduler = Client(self.bus).of(Scheduler)
        self.conductor = Conductor(self.bus)

    def answer(self, *rows):
        self.conductor.rows = {row.host: row for row in rows}
        self.bus.serve("conductor", "node0", [self.conductor], workers=4).start()
        return self

    def start(self):
        self.manager.start()
        eventually(lambda: self.manager.feed.current)
        return self

    def pick(self, **asked):
        answer = self.scheduler.select(CTX, a_spec(**asked))
        return [s.candidates[0].host for s in answer.selections]

    def close(self):
        self.manager.stop()
        self.bus.close()


def eventually(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture
def bench():
    made = []

    def make(**overrides):
        made.append(Bench(**overrides))
        return made[-1]

    yield make
    for one in made:
        one.close()


def alive(name, **facts):
    return a_host(name, **{"last_seen": time.time(), **facts})


def test_select_over_the_bus(bench):
    b = bench().answer(alive("a"), alive("b", used_vcpus=4, generation=3)).start()
    answer = b.scheduler.select(CTX, a_spec())
    assert [c.host for c in answer.selections[0].candidates] == ["a", "b"]
    assert answer.selections[0].candidates[1].generation == 3
    assert answer.considered == 2


def test_changes_are_followed_without_another_full_read(bench):
    b = bench().answer(alive("a"), alive("b")).start()
    b.conductor.change(alive("a", version=2, enabled=False))
    eventually(lambda: not b.manager.table.hosts().enabled[0])
    assert b.pick() == ["b"]
    assert b.conductor.reads == 1


def test_missed_message_leads_to_one_full_read(bench):
    b = bench().answer(alive("a"), alive("b")).start()
    b.conductor.change(alive("a", version=2, enabled=False), lost=True)
    b.conductor.gate.clear()
    for version in range(2, 6):
        b.conductor.change(alive("b", version=version))
    eventually(lambda: b.conductor.reads == 2)
    b.conductor.gate.set()
    eventually(lambda: b.manager.feed.current)
    assert b.conductor.reads == 2
    assert b.pick() == ["b"]


def test_sender_nobody_knows_that_does_not_begin_at_one_leads_to_a_full_read(bench):
    b = bench().answer(alive("a")).start()
    b.conductor.feed.changed(CTX, HostDeltas(source="c2", seq=1, rows=()))
    b.conductor.feed.changed(CTX, HostDeltas(source="c2", seq=2, rows=()))
    b.bus.drain()
    assert b.conductor.reads == 1
    b.conductor.feed.changed(CTX, HostDeltas(source="c3", seq=7, rows=()))
    eventually(lambda: b.conductor.reads == 2)
    eventually(lambda: b.manager.feed.current)


def test_change_told_during_a_full_read_is_not_lost(bench):
    b = bench().answer(alive("a"), alive("b")).start()
    b.conductor.gate.clear()
    old = dict(b.conductor.rows)
    b.manager.periodics()[0].run(CTX)
    eventually(lambda: b.conductor.reads == 2)
    b.conductor.change(alive("a", version=2, enabled=False), alive("new", cap_vcpus=99, version=1))
    eventually(lambda: len(b.manager.table) == 3)
    b.conductor.rows = old  # the read answers from before the change
    b.conductor.gate.set()
    eventually(lambda: b.manager.feed.current)
    assert b.pick() == ["new"]
    assert b.pick(server_id="other", excluded={"new": "x"}) == ["b"]


def test_first_request_waits_for_the_hosts(bench):
    b = bench()
    b.manager.start()
    got = []
    asking = threading.Thread(target=lambda: got.extend(b.pick()))
    asking.start()
    time.sleep(0.1)
    assert not got
    b.answer(alive("a"))
    asking.join(10)
    assert got == ["a"]


def test_no_conductor_is_said_clearly_and_within_the_deadline(bench):
    b = bench(**{"scheduler.first_read_timeout": 0.3})
    b.manager.start()
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no conductor has told it: no answer within 0\.3 seconds"):
        b.scheduler.select(CTX, a_spec())
    assert time.monotonic() - began < 3
    assert b.manager.health()["current"] is False


def test_reason_of_a_failed_read_is_told_and_it_is_tried_again(bench):
    b = bench(**{"scheduler.first_read_timeout": 1.0})
    hook = b.bus.lose(lambda e: e.method == "table", limit=None)
    b.answer(alive("a"))
    b.manager.start()
    with pytest.raises(Unavailable, match=r"No answer from conductor to hosts\.table"):
        b.scheduler.select(CTX, a_spec())
    assert "No answer" in b.manager.health()["problem"]
    hook.stop()
    eventually(lambda: b.manager.feed.current)
    assert b.pick() == ["a"]
    assert b.manager.health() == {"hosts": 1, "current": True}


def test_refusal_is_checked_against_a_fresh_table(bench):
    """A host that became known only to conductors is found before anybody is told no."""
    b = bench().answer().start()
    time.sleep(0.3)
    b.conductor.change(alive("a"), lost=True)
    assert b.pick() == ["a"]
    assert b.conductor.reads == 2


def test_full_cloud_refuses_without_reading_all_day(bench):
    b = bench().answer(alive("a", used_vcpus=16)).start()
    for n in range(50):
        assert b.pick(server_id=f"s{n}") == []
    assert b.conductor.reads <= 4


def test_dead_host_leaves_by_itself(bench):
    b = bench(service_down_time=0.5).answer(alive("a"), alive("b", last_seen=time.time() + 60)).start()
    assert b.pick(server_id="s1") == ["a"]
    time.sleep(0.6)
    answer = b.scheduler.select(CTX, a_spec("s2"))
    assert [c.host for c in answer.selections[0].candidates] == ["b"]
    assert answer.refused["ComputeFilter"] == 1


def test_threads_never_propose_the_same_last_room(bench):
    """64 requests at once for 64 places: each is proposed exactly once, with no claim heard of yet."""
    rows = [alive(f"h{i}", cap_vcpus=4, cap_ram_mb=4096) for i in range(16)]
    b = bench(**{"scheduler.debit_seconds": 600.0}).answer(*rows).start()
    got: list[str] = []

    def ask(worker: int) -> None:
        for n in range(16):
            got.extend(b.pick(server_id=f"{worker}-{n}"))

    threads = [threading.Thread(target=ask, args=(w,)) for w in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert Counter(got) == {row.host: 4 for row in rows}


def test_own_picks_steer_but_never_refuse(bench):
    b = bench(**{"scheduler.debit_seconds": 600.0}).answer(alive("a", cap_vcpus=1), alive("b", cap_vcpus=1))
    b.start()
    assert {b.pick(server_id="s1")[0], b.pick(server_id="s2")[0]} == {"a", "b"}
    assert b.pick(server_id="s3") != []  # perhaps s1 was never built; the claim will tell


def test_server_asked_for_again_is_not_in_its_own_way(bench):
    b = bench(**{"scheduler.debit_seconds": 600.0}).answer(alive("a", cap_vcpus=1)).start()
    for _ in range(5):
        answer = b.scheduler.select(CTX, a_spec("s1"))
        assert answer.refused["CoreFilter"] == 0


def test_hosts_offered_in_vain_are_not_offered_again_until_their_rows_change(bench):
    """Another scheduler's servers fill the best hosts; the conductor loses its claims and asks again."""
    rooms = [("a", 9), ("b", 8), ("c", 7), ("d", 6)]
    b = bench(**{"scheduler.alternates": 1}).answer(*(alive(n, cap_vcpus=c) for n, c in rooms))
    b.start()
    offered = b.scheduler.select(CTX, a_spec("s1"))
    assert [c.host for c in offered.selections[0].candidates] == ["a", "b"]
    again = b.scheduler.select(CTX, a_spec("s1"))
    assert [c.host for c in again.selections[0].candidates] == ["c", "d"]
    assert b.pick(server_id="s2") == ["a"]  # no matter of other servers
    b.conductor.change(alive("b", version=2, cap_vcpus=8))
    eventually(lambda: b.manager.table.hosts().version[1] == 2)
    assert b.pick(server_id="s1") == ["b"]


def test_hosts_offered_in_vain_are_better_than_none(bench):
    b = bench().answer(alive("a"), alive("b")).start()
    assert len(b.pick(server_id="s1")) == 1
    assert len(b.pick(server_id="s1")) == 1


def test_bad_request_is_refused_in_one_sentence(bench):
    b = bench().answer(alive("a")).start()
    with pytest.raises(BadRequest, match="must be between 1 and 10000, not 0"):
        b.scheduler.select(CTX, a_spec(count=0))


def test_explain_proposes_nothing(bench):
    b = bench().answer(alive("a"), alive("b", enabled=False)).start()
    verdicts = b.manager.explain(a_spec())
    assert [(v.host, v.refused_by) for v in verdicts] == [("a", None), ("b", "ComputeFilter")]
    assert not b.manager.table.has_debits


def test_reload_keeps_the_old_plan_when_the_new_one_is_wrong(bench):
    b = bench().answer(alive("a")).start()
    b.manager.conf.set_override("enabled_filters", ["ComputeFilter", "NoSuchFilter"], group="scheduler")
    with pytest.raises(ConfigError, match="NoSuchFilter is neither one of AggregateCoreFilter"):
        b.manager.reload()
    assert b.pick() == ["a"]
    b.manager.conf.set_override("enabled_filters", ["ComputeFilter"], group="scheduler")
    b.manager.reload()
    assert list(b.manager.plan.filters) == ["ComputeFilter"]


def test_stop_ends_the_reading_thread(bench):
    b = bench().answer(alive("a")).start()
    b.manager.stop()
    assert not b.manager.feed._thread.is_alive()


# --- requests that came together ---------------------------------------------------------------------


def test_requests_that_came_together_see_each_other(bench):
    b = bench().answer(alive("a", cap_vcpus=2), alive("b", cap_vcpus=1), alive("c", cap_vcpus=8, zone="far")).start()
    alike = [a_spec(f"s{n}", availability_zone="nova") for n in range(4)]
    specs = (alike[0], a_spec("far", availability_zone="far"), *alike[1:], a_spec("odd", vcpus=-1))
    answers = b.scheduler.select_many(CTX, ManySpecs(specs=specs)).answers
    found = [one.selections[0].candidates[0].host if one.selections else None for one in answers]
    assert sorted(filter(None, (found[at] for at in (0, 2, 3, 4)))) == ["a", "a", "b"]
    assert found[1] == "c"
    assert answers[5].problem == "Flavor small has a negative size."
    refused = answers[found.index(None)]
    assert refused.refused["CoreFilter"] == 2 and refused.nearly and refused.verdicts
    assert all(not one.nearly for one in answers if one.selections)


def test_members_of_a_group_that_came_together_are_kept_apart(bench):
    b = bench().answer(*(alive(name) for name in "abc")).start()
    apart = GroupRequest(policy="anti-affinity")
    specs = tuple(a_spec(f"s{n}", group=apart) for n in range(4))
    answers = b.scheduler.select_many(CTX, ManySpecs(specs=specs)).answers
    assert sorted(one.selections[0].candidates[0].host for one in answers[:3]) == ["a", "b", "c"]
    assert answers[3].refused["ServerGroupAntiAffinityFilter"] == 3


def test_what_if_proposes_nothing(bench):
    b = bench().answer(alive("a"), alive("b", used_vcpus=10)).start()
    told = b.scheduler.explain(CTX, a_spec(vcpus=4, count=3), 10)
    assert (told.fits, told.passed, told.considered) == (5, 2, 2)
    assert [(one.host, one.rank) for one in told.hosts] == [("a", 1), ("b", 2)]
    assert not b.manager.table.has_debits
