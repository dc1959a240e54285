"""Commits of servers that get their hosts at the same moment go out as one transaction.

A claim costs a BEGIN, three statements and a COMMIT, each with a round trip; of many servers the claims cost as much
together, and there is one COMMIT. As in `placement`, a conductor that is not busy commits each at once, and the busier
it is, the more share a transaction. Whatever goes wrong with one of them takes nothing from the others: the whole
transaction is rolled back then, and each is done again in one of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from novalite.db import allocations
from novalite.db.session import Database
from novalite.errors import DatabaseBusy, DatabaseUnreachable

T = TypeVar("T")

SLOW = 0.5
"""Seconds after which a transaction, which waits for a lock perhaps, no longer keeps others waiting."""
MOST = 50
"""Servers in one transaction, so that no host is locked for long."""
PATIENCE = 300.0
"""Seconds to wait for others: more than the database lets a transaction take."""


@dataclass(frozen=True)
class Shared:
    """What one commit claims, and what else it will lock (`also`: text of its own kind, "" for nothing): only those
    that lock the same share a transaction, because two that take such locks in another order wait for each other."""

    want: allocations.Want
    also: str = ""


class _Waiting:
    """One commit and what became of it; `alone`: it is to be done in a transaction of its own, by who asked."""

    def __init__(self, work: Callable[[Session], Any], shared: Shared) -> None:
        self.work, self.shared = work, shared
        self.answer: Any = None
        self.error: BaseException | None = None
        self.over = self.alone = False


class Commits:
    """Thread-safe; one per conductor."""

    def __init__(self, db: Database, slow: float = SLOW) -> None:
        self._db, self._slow = db, slow
        self._turn = threading.Condition()
        self._queue: list[_Waiting] = []
        self._in_flight = 0
        self._began = 0.0

    def run(self, work: Callable[[Session], T], shared: Shared | None = None) -> T:
        """`db.run(work)`; together with others that wait, when it says what it claims. Raises what that raises."""
        if shared is None:
            return self._db.run(work)
        mine = _Waiting(work, shared)
        if batch := self._wait(mine):
            self._commit(batch)
        if mine.alone:
            return self._db.run(work)
        if mine.error is not None:
            raise mine.error
        answer: T = mine.answer
        return answer

    def _wait(self, mine: _Waiting) -> list[_Waiting]:
        """Until it is over (an empty list), or it is this thread's turn to commit: these."""
        give_up = time.monotonic() + PATIENCE
        with self._turn:
            self._queue.append(mine)
            while not mine.over and (mine not in self._queue or self._busy()):
                if time.monotonic() > give_up:
                    self._queue = [one for one in self._queue if one is not mine]
                    raise DatabaseBusy()
                self._turn.wait(self._slow)
            if mine.over:
                return []
            batch = [one for one in self._queue if one.shared.also in ("", mine.shared.also)][:MOST]
            batch = batch if mine in batch else [mine]
            self._queue = [one for one in self._queue if one not in batch]
            self._in_flight += 1
            self._began = time.monotonic()
            return batch

    def _busy(self) -> bool:
        return self._in_flight > 0 and time.monotonic() < self._began + self._slow

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            if len(batch) == 1:
                batch[0].answer = self._db.run(batch[0].work)
            else:
                self._db.run(lambda session: self._all(session, batch))
        except (DatabaseUnreachable, DatabaseBusy) as error:
            for one in batch:
                one.error = error
        except BaseException as error:
            for one in batch:
                one.alone, one.error = len(batch) > 1, error
            if not isinstance(error, Exception):
                raise
        finally:
            with self._turn:
                self._in_flight -= 1
                for one in batch:
                    one.over = True
                self._turn.notify_all()

    @staticmethod
    def _all(session: Session, batch: list[_Waiting]) -> None:
        placed = allocations.claim_many(session, [one.shared.want for one in batch])
        for one in batch:
            one.alone = one.shared.want.server_id not in placed
            if not one.alone:
                one.answer = one.work(session)
