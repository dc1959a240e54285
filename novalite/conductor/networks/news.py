"""Telling compute hosts to ask what they must make of networks: collected for a moment, each host told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.orm import Session

from novalite import context
from novalite.db.networks import hosts, placing
from novalite.errors import NovaliteError
from novalite.rpc.contracts.host_networks import NetworkNews, WantedNetworks

if TYPE_CHECKING:
    from novalite.db.session import Database
    from novalite.rpc.client import Client

LOG = logging.getLogger(__name__)


class News:
    """Collects what changed for `interval` seconds, and tells each host once. 0: at once, in the caller's thread."""

    def __init__(self, db: Database, client: Client, interval: float) -> None:
        self.db, self.client, self.interval = db, client, interval
        self._hosts: set[str] = set()
        self._networks: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to tell in the background (nothing to do when `interval` is 0)."""
        if self.interval:
            self._thread = threading.Thread(target=self._run, name="network-news", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Tell what is left and end."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)

    def add(self, names: Iterable[str], network_ids: Iterable[str]) -> None:
        """These hosts, and those that have to do with these networks, should ask."""
        with self._lock:
            self._hosts.update(name for name in names if name)
            self._networks.update(network_ids)
            if not self._hosts and not self._networks:
                return
        if self.interval:
            self._wake.set()
        else:
            self.flush()

    def after_commit(self, session: Session, names: Iterable[str], network_ids: Iterable[str]) -> None:
        """The same once the session's transaction is committed; nothing when it is not."""
        told, networks = set(names), set(network_ids)

        def tell(_: Session) -> None:
            if not session.in_nested_transaction():
                self.add(told, networks)

        event.listen(session, "after_commit", tell)

    def flush(self) -> None:
        """Tell everybody whom it concerns; who cannot be told asks by itself later."""
        with self._lock:
            names, self._hosts = self._hosts, set()
            networks, self._networks = self._networks, set()
        try:
            with self.db.read() as session:
                names = names | hosts.of_networks(session, networks)
                pretended = hosts.pretending(session, names) if names else set()
                carrying = placing.carrying(session, pretended)
            for name in sorted(carrying):
                self.client.of(WantedNetworks).pretend(context.system(), name)
            for name in sorted(names - pretended):
                self.client.of(NetworkNews, host=name).changed(context.system())
        except NovaliteError as error:
            LOG.warning("Hosts were not told of changed networks and find out by themselves: %s", error)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(self.interval)
            self._wake.clear()
            try:
                self.flush()
            except Exception:
                LOG.exception("Telling hosts of changed networks failed")
