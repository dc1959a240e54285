"""Picks that no claim was heard of yet: kept per host and per server, oldest first, each with an end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from novalite.scheduler.request import Need


@dataclass(frozen=True, eq=False, slots=True)
class Debit:
    """One server that was proposed for one host; forgotten at `expires`, in seconds of the table's ticks."""

    host: str
    server_id: str
    need: Need
    expires: float


class Debits:
    """Bookkeeping only; answers the debits that are over, so that the table can give back their room."""

    def __init__(self) -> None:
        self._hosts: dict[str, dict[Debit, None]] = {}
        self._servers: dict[str, list[Debit]] = {}
        self._queue: deque[Debit] = deque()

    def __bool__(self) -> bool:
        return bool(self._servers)

    def add(self, debit: Debit) -> None:
        """Remember a pick. Expiry times must not decrease from one call to the next."""
        self._hosts.setdefault(debit.host, {})[debit] = None
        self._servers.setdefault(debit.server_id, []).append(debit)
        self._queue.append(debit)

    def hosts(self) -> list[str]:
        """Hosts that something is owed for."""
        return list(self._hosts)

    def of_host(self, host: str) -> list[Debit]:
        """What is owed for a host, oldest first."""
        return list(self._hosts.get(host, ()))

    def settle(self, host: str, servers: int) -> list[Debit]:
        """The host's row now counts this many servers more: its oldest debits are paid."""
        return [debit for debit in self.of_host(host)[:servers] if self._forget(debit)]

    def forget_server(self, server_id: str) -> list[Debit]:
        """The server is asked for again, so earlier picks for it came to nothing."""
        return [debit for debit in self._servers.get(server_id, [])[:] if self._forget(debit)]

    def expire(self, now: float) -> list[Debit]:
        """Debits whose time is over."""
        over = []
        while self._queue and self._queue[0].expires <= now:
            debit = self._queue.popleft()
            if self._forget(debit):
                over.append(debit)
        return over

    def _forget(self, debit: Debit) -> bool:
        on_host = self._hosts.get(debit.host, {})
        if debit not in on_host:
            return False
        del on_host[debit]
        if not on_host:
            del self._hosts[debit.host]
        mine = self._servers[debit.server_id]
        mine.remove(debit)
        if not mine:
            del self._servers[debit.server_id]
        return True
