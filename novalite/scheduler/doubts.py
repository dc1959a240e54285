"""Hosts that were proposed for a server which is asked for again.

A conductor asks again when it could claim none of the hosts it was offered, so what this table says
of them is behind the truth, until their rows change. Offering them once more would lose again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from novalite.scheduler.columns import Hosts


class Doubts:
    """What was proposed lately, by server. Not thread-safe: used under the table's lock."""

    def __init__(self, keep_seconds: float) -> None:
        self._keep = keep_seconds
        self._proposed: OrderedDict[str, tuple[float, dict[str, int]]] = OrderedDict()

    def note(self, server_id: str, versions: Mapping[str, int], now: float) -> None:
        """These hosts were proposed at these versions of their rows; `now` in seconds that never go back."""
        _, before = self._proposed.pop(server_id, (0.0, {}))
        self._proposed[server_id] = (now + self._keep, {**before, **versions})
        while next(iter(self._proposed.values()))[0] <= now:
            self._proposed.popitem(last=False)

    def of(self, server_id: str, hosts: Hosts, now: float) -> list[str]:
        """Hosts proposed for this server before whose rows are still the same."""
        expires, versions = self._proposed.get(server_id, (0.0, {}))
        if expires <= now:
            return []
        index = hosts.store.index
        return [h for h, version in versions.items() if h in index and hosts.version[index[h]] == version]
