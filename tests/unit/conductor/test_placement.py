"""Requests for hosts share messages when there are many, and an error reaches everybody it concerns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from novalite.conductor.placement import IN_FLIGHT, Placement, Siblings
from novalite.context import Context
from novalite.errors import BadRequest, NovaliteError, Unavailable
from novalite.objects.scheduling import (
    Candidate,
    Explanation,
    ManySelections,
    ManySpecs,
    RequestSpec,
    Selection,
    Selections,
)
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import Scheduler
from novalite.rpc.local import LocalBus
from tests.unit.scheduler.builders import a_spec

CTX = Context()


class Scripted(Scheduler):
    """Answers with the server's own id for a host, when the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.messages: list[int] = []
        self.error: NovaliteError | None = None

    def select(self, ctx: Context, spec: RequestSpec) -> Selections:
        return self._answers([spec])[0]

    def select_many(self, ctx: Context, asked: ManySpecs) -> ManySelections:
        return ManySelections(answers=tuple(self._answers(asked.specs)))

    def explain(self, ctx: Context, spec: RequestSpec, most_hosts: int = 100) -> Explanation:
        raise AssertionError("nobody asks")

    def _answers(self, specs) -> list[Selections]:
        self.messages.append(len(specs))
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [_answer(spec.server_id) for spec in specs]


def _answer(server_id: str) -> Selections:
    if server_id == "odd":
        return Selections(selections=(), considered=0, problem="It makes no sense.")
    one = Candidate(host=server_id, node=server_id, generation=1)
    return Selections(selections=(Selection(candidates=(one,)),), considered=1)


@pytest.fixture
def scheduler() -> Iterator[tuple[Scripted, Placement]]:
    scripted, bus = Scripted(), LocalBus()
    bus.serve("scheduler", "controller", [scripted]).start()
    yield scripted, Placement(Client(bus))
    scripted.gate.set()
    bus.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_those_who_wait_share_a_message(scheduler) -> None:
    scripted, placement = scheduler
    with ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(placement.select, CTX, a_spec(f"s{n}")) for n in range(30)]
        until(lambda: len(scripted.messages) == IN_FLIGHT and sum(scripted.messages) + len(placement._queue) == 30)
        scripted.gate.set()
        answers = [one.result(10) for one in asked]
    assert [one.selections[0].candidates[0].host for one in answers] == [f"s{n}" for n in range(30)]
    assert len(scripted.messages) <= IN_FLIGHT + 2 and sum(scripted.messages) == 30
    assert scripted.messages[0] == 1 < scripted.messages[1], "the second waited a moment for the first one's answer"


def test_a_request_that_makes_no_sense_harms_no_other(scheduler) -> None:
    scripted, placement = scheduler
    with ThreadPoolExecutor(8) as pool:
        asked = {n: pool.submit(placement.select, CTX, a_spec(n)) for n in ("a", "b", "c", "odd", "d")}
        until(lambda: len(scripted.messages) == IN_FLIGHT)
        scripted.gate.set()
        with pytest.raises(BadRequest, match="It makes no sense"):
            asked.pop("odd").result(10)
        assert all(one.result(10).selections for one in asked.values())


def test_an_error_reaches_everybody_who_shared_the_message_and_is_over_then(scheduler) -> None:
    scripted, placement = scheduler
    scripted.error = Unavailable("no hosts are known")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(placement.select, CTX, a_spec(f"s{n}")) for n in range(8)]
        until(lambda: len(scripted.messages) == IN_FLIGHT)
        scripted.gate.set()
        for one in asked:
            with pytest.raises(Unavailable, match="no hosts are known"):
                one.result(10)
    scripted.error = None
    assert placement.select(CTX, a_spec("later")).selections


def test_servers_of_one_request_wait_for_one_another_and_are_decided_together(scheduler) -> None:
    scripted, placement = scheduler
    scripted.gate.set()
    placement._threads = 16
    many = Siblings("r-1", 8)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(placement.select, CTX, a_spec(f"s{n}"), many) for n in range(8)]
        assert all(one.result(10).selections for one in asked)
    assert max(scripted.messages) >= 4 and sum(scripted.messages) == 8  # a busy machine may part them
    assert placement._to_come == {}


def test_nobody_waits_long_for_a_sibling_that_does_not_come(scheduler) -> None:
    scripted, placement = scheduler
    scripted.gate.set()
    placement._threads = 16
    assert placement.select(CTX, a_spec("alone"), Siblings("r-2", 3)).selections
    placement._threads = 1  # where no other can come, nobody waits at all
    assert placement.select(CTX, a_spec("second"), Siblings("r-2", 3)).selections
    assert placement.select(CTX, a_spec("lone")).selections
    assert scripted.messages == [1, 1, 1]
