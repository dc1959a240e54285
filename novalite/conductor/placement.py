"""Ask a scheduler for hosts. Requests that wait at the same moment go out as one message.

A message costs far more than a decision, so the busier a conductor is, the more requests share one. A conductor that is
not busy sends each at once.
"""

from __future__ import annotations

import threading
import time
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
MOST = 100
"""Requests in one message."""
PATIENCE = 60.0
"""Seconds to wait for a turn and an answer: more than two calls may take."""


class _Waiting:
    """One request and what became of it."""

    def __init__(self, spec: RequestSpec) -> None:
        self.spec = spec
        self.answer: Selections | None = None
        self.error: NovaliteError | None = None

    @property
    def over(self) -> bool:
        return self.answer is not None or self.error is not None


class Placement:
    """Thread-safe; one per conductor."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turn = threading.Condition()
        self._queue: list[_Waiting] = []
        self._in_flight = 0

    def select(self, ctx: Context, spec: RequestSpec) -> Selections:
        """Hosts for one server. Raises BadRequest, Unavailable, and what the call raises."""
        mine = _Waiting(spec)
        deadline = time.monotonic() + PATIENCE
        with self._turn:
            self._queue.append(mine)
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
            free = self._turn.wait_for(
                lambda: mine.over or self._in_flight < IN_FLIGHT, deadline - time.monotonic()
            )
            if not mine.over and not free:
                if mine in self._queue:
                    self._queue.remove(mine)
                raise Unavailable("No scheduler answered in time.")
            if mine.over or mine not in self._queue:
                # taken along by another thread, which is asking at this moment
                self._turn.wait_for(lambda: mine.over, deadline - time.monotonic())
                if not mine.over:
                    raise Unavailable("No scheduler answered in time.")
                return []
            batch, self._queue = self._queue[:MOST], self._queue[MOST:]
            self._in_flight += 1
            return batch

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
