"""Ask a scheduler for hosts. Requests that wait at the same moment go out as one message.

A message costs far more than a decision, so the busier a conductor is, the more requests share one. A conductor that is
not busy sends each at once, but for servers of one request to the API: they wait a moment for one another, because only
what is decided together is dealt out exactly when there are several schedulers.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from novalite.context import Context
from novalite.errors import BadRequest, NovaliteError, Unavailable
from novalite.objects.base import Record
from novalite.objects.scheduling import ManySpecs, RequestSpec, Selections
from novalite.rpc.contracts.hosts import Scheduler

if TYPE_CHECKING:
    from novalite.rpc.client import Client

IN_FLIGHT = 2
"""Messages that are on their way at once: a scheduler that does not answer holds up one of them only."""
BRISK = 0.05
"""Seconds that an answer may take before another message is sent meanwhile; until then requests wait, and share the
next one."""
MOST = 100
"""Requests in one message."""
TOGETHER = 0.5
"""Seconds that a server waits for others of its request at most, when there is a thread for each."""
SOME_TOGETHER = 0.05
"""The same when there is not."""
FORGOTTEN = 60.0
"""Seconds after which nobody waits for the rest of a request any more."""
PATIENCE = 60.0
"""Seconds to wait for a turn and an answer: more than two calls may take."""


@dataclass(frozen=True)
class Siblings:
    """The request to the API that a server is of, and how many it is for."""

    request: str
    count: int


class _Waiting:
    """One request and what became of it. `since` is when it came, in monotonic seconds."""

    def __init__(self, spec: RequestSpec, siblings: Siblings | None) -> None:
        self.spec, self.siblings, self.since = spec, siblings, time.monotonic()
        self.answer: Selections | None = None
        self.error: NovaliteError | None = None

    @property
    def over(self) -> bool:
        return self.answer is not None or self.error is not None


class Placement:
    """Thread-safe; one per conductor. `threads`: how many requests may wait at once, so that nobody waits for
    one that cannot come."""

    def __init__(self, client: Client, threads: int = 1) -> None:
        self._client, self._threads = client, threads
        self._to_come: dict[str, tuple[int, float]] = {}
        self._turn = threading.Condition()
        self._queue: list[_Waiting] = []
        self._in_flight = 0
        self._asked = 0.0

    def select(self, ctx: Context, spec: RequestSpec, siblings: Siblings | None = None) -> Selections:
        """Hosts for one server. Raises BadRequest, Unavailable, and what the call raises."""
        mine = _Waiting(spec, siblings)
        deadline = time.monotonic() + PATIENCE
        with self._turn:
            self._queue.append(mine)
            if siblings is not None:
                self._came(siblings)
        while True:
            batch = self._wait(mine, deadline)
            if not batch:
                break
            self._ask(ctx, batch)
        if mine.error is not None:
            raise mine.error
        assert mine.answer is not None
        if mine.answer.problem is not None:
            raise BadRequest(mine.answer.problem)
        return mine.answer

    def _wait(self, mine: _Waiting, deadline: float) -> list[_Waiting]:
        """Until there is an answer (an empty list), or a turn to ask: for these."""
        with self._turn:
            self._turn.wait_for(
                lambda: mine.over or mine not in self._queue or not self._held(mine), self._patience(mine)
            )
            while not mine.over and not self._free() and time.monotonic() < deadline:
                self._turn.wait(BRISK)
            if not mine.over and not self._free():
                if mine in self._queue:
                    self._queue.remove(mine)
                raise Unavailable("No scheduler answered in time.")
            if mine.over or mine not in self._queue:
                # taken along by another thread, which is asking at this moment
                self._turn.wait_for(lambda: mine.over, deadline - time.monotonic())
                if not mine.over:
                    raise Unavailable("No scheduler answered in time.")
                return []
            batch = [mine, *(one for one in self._queue if one is not mine and not self._held(one))][:MOST]
            self._queue = [one for one in self._queue if one not in batch]
            self._in_flight += 1
            self._asked = time.monotonic()
            return batch

    def _free(self) -> bool:
        """Whether a message may be sent now."""
        brisk = time.monotonic() < self._asked + BRISK
        return self._in_flight < (1 if brisk else IN_FLIGHT)

    def _came(self, siblings: Siblings) -> None:
        """One more of a request is here; wake the others when it was the last."""
        now = time.monotonic()
        left, since = self._to_come.pop(siblings.request, (siblings.count, now))
        if left > 1:
            self._to_come[siblings.request] = (left - 1, since)
        for request in [one for one, (_, then) in self._to_come.items() if then < now - FORGOTTEN]:
            del self._to_come[request]
        self._turn.notify_all()

    def _held(self, one: _Waiting) -> bool:
        """Whether it waits for others of its request that can still come in time."""
        if one.siblings is None or one.siblings.request not in self._to_come:
            return False
        here = [other.since for other in self._queue if other.siblings == one.siblings]
        return len(here) < self._threads and time.monotonic() < min(here, default=0.0) + self._patience(one)

    def _patience(self, one: _Waiting) -> float:
        if one.siblings is None:
            return 0.0
        return TOGETHER if one.siblings.count <= self._threads else SOME_TOGETHER

    def _ask(self, ctx: Context, batch: list[_Waiting]) -> None:
        scheduler = self._client.of(Scheduler)
        try:
            if len(batch) == 1:
                answers = [scheduler.select(ctx, batch[0].spec)]
            else:
                asked = ManySpecs(specs=tuple(one.spec for one in batch))
                answers = list(scheduler.select_many(ctx, asked).answers)
            for one, answer in zip(batch, answers, strict=True):
                one.answer = answer
        except NovaliteError as error:
            for one in batch:
                one.error = error
        except BaseException as error:
            for one in batch:
                one.error = Unavailable(f"The scheduler could not be asked: {error}")
            raise
        finally:
            with self._turn:
                self._in_flight -= 1
                self._turn.notify_all()


def decision(spec: RequestSpec, answer: Selections) -> Record:
    """What is kept of a decision, with the task that asked for it."""
    candidates = answer.selections[0].candidates if answer.selections else ()
    return {
        "made_at": time.time(),
        "considered": answer.considered,
        "refused": {name: number for name, number in answer.refused.items() if number},
        "excluded": spec.excluded,
        "nearly": list(answer.nearly),
        "verdicts": [one.model_dump(include={"host", "node", "refused_by", "why"}) for one in answer.verdicts],
        "candidates": [one.model_dump(exclude={"generation"}) for one in candidates],
    }
