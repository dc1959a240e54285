"""Delivery to worker threads in this process: shared queues by topic, direct ones by host, all bounded.

A message goes straight to an idle worker when there is one, so a quiet bus costs two thread switches
a call. One lock guards all queues; nothing is done under it but moving messages.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field

from novalite import metrics
from novalite.errors import BrokerUnreachable, BusFull, PoolWouldDeadlock, RpcTimeout
from novalite.rpc.bus import DaemonKilled, Envelope, no_answer, nobody
from novalite.rpc.dispatch import Dispatcher

LOG = logging.getLogger(__name__)
DROPPED = metrics.Counter("novalite_rpc_dropped_total", "Fanouts dropped because a server's queue was full.",
                          "topic", "method")
Address = tuple[str, str | None]


@dataclass(eq=False, slots=True)
class _Post:
    """A message in a queue or in a worker's hand; `gate` opens when its answer is there."""

    envelope: Envelope
    gate: threading.Lock | None = None
    answer: str | None = None
    given_up: bool = False

    @property
    def address(self) -> Address:
        return self.envelope.topic, self.envelope.host


@dataclass(eq=False, slots=True)
class _Worker:
    """One thread of a server. `post` is what it serves next; `waits_for` where its own call went."""

    server: PooledServer
    gate: threading.Lock = field(default_factory=threading.Lock)
    post: _Post | None = None
    waits_for: Address | None = None


class PooledServer:
    """One server of a topic with at most `size` threads, started as they are needed."""

    def __init__(self, pools: Pools, dispatcher: Dispatcher, host: str, size: int) -> None:
        self._pools, self.dispatcher, self.host, self.size = pools, dispatcher, host, max(1, size)
        self.topic = dispatcher.topic
        self.workers: list[_Worker] = []
        self.idle: list[_Worker] = []
        self.fanouts: deque[_Post] = deque()
        self.running = False
        self._stopped = threading.Event()
        self.quiet = threading.Condition(pools.lock)

    def start(self) -> None:
        """Begin to take messages, first those that waited for a server."""
        self._stopped.clear()
        self._pools.add(self)

    def stop(self, grace: float = 0.0) -> bool:
        """Take no more messages; wait at most `grace` seconds for those in hand. True when none is left."""
        self._pools.remove(self)
        with self._pools.lock:
            done = self.quiet.wait_for(lambda: not self.workers, timeout=grace)
        self._stopped.set()
        return done

    def wait(self) -> None:
        """Block until stopped."""
        self._stopped.wait()


class Pools:
    """Every queue and server of one LocalBus."""

    def __init__(self, max_pending: int) -> None:
        self.max_pending = max_pending
        self.lock = threading.Lock()
        self._queues: defaultdict[Address, deque[_Post]] = defaultdict(deque)
        self._servers: defaultdict[str, list[PooledServer]] = defaultdict(list)
        self._busy = 0
        self._quiet = threading.Condition(self.lock)
        self._here = threading.local()

    def server(self, dispatcher: Dispatcher, host: str, workers: int) -> PooledServer:
        """A server, not yet started."""
        return PooledServer(self, dispatcher, host, workers)

    # --- sending -----------------------------------------------------------------------------

    def call(self, envelope: Envelope) -> str:
        """The answer within `envelope.timeout` seconds, else RpcTimeout."""
        gate = threading.Lock()
        gate.acquire()
        post = _Post(envelope, gate)
        me: _Worker | None = getattr(self._here, "worker", None)
        with self.lock:
            self._send(post, me)
        answered = gate.acquire(timeout=envelope.timeout)
        with self.lock:
            post.given_up = True
            if me is not None:
                me.waits_for = None
        if not answered:
            listens = any(self._serves(s, post.address) for s in self._servers[envelope.topic])
            raise no_answer(envelope) if listens else nobody(envelope)
        if post.answer is None:
            raise BrokerUnreachable(reason="the bus of this process was closed before the answer")
        return post.answer

    def cast(self, envelope: Envelope) -> None:
        """Hand to one server or its queue."""
        with self.lock:
            self._send(_Post(envelope), None)

    def fanout(self, envelope: Envelope) -> None:
        """Hand to every server; one whose queue is full misses it."""
        with self.lock:
            for server in self._servers[envelope.topic]:
                post = _Post(envelope)
                if self._hand_over(post, server):
                    continue
                if len(server.fanouts) < self.max_pending:
                    server.fanouts.append(post)
                else:
                    DROPPED.add(envelope.topic, envelope.name)

    def _send(self, post: _Post, me: _Worker | None) -> None:
        if me is not None:
            me.waits_for = post.address
        servers = self._servers[post.envelope.topic]
        for server in servers:
            if self._serves(server, post.address) and self._hand_over(post, server):
                servers.remove(server)
                servers.append(server)  # servers take turns
                return
        try:
            if me is not None and self._stuck(me):
                raise PoolWouldDeadlock(method=post.envelope.name, topic=post.envelope.address)
            queue = self._queues[post.address]
            if len(queue) >= self.max_pending:
                raise BusFull(topic=post.envelope.address, size=self.max_pending)
            queue.append(post)
        except Exception:
            if me is not None:
                me.waits_for = None
            raise

    def _hand_over(self, post: _Post, server: PooledServer) -> bool:
        """Give to an idle or new worker; False when the server has none left."""
        if server.idle:
            worker = server.idle.pop()
            worker.post = post
            self._busy += 1
            worker.gate.release()
            return True
        if len(server.workers) < server.size:
            self._spawn(server, post)
            return True
        return False

    @staticmethod
    def _serves(server: PooledServer, address: Address) -> bool:
        return server.topic == address[0] and address[1] in (None, server.host)

    def _stuck(self, me: _Worker) -> bool:
        """Whether every worker that could answer waits, directly or through others, for this very pool.

        Starts from all pools without a free worker and takes out those with a way forward, until
        none changes; what remains waits on itself.
        """
        everyone = [server for servers in self._servers.values() for server in servers]
        stuck = {s for s in everyone if len(s.workers) >= s.size and all(w.waits_for for w in s.workers)}

        def has_way_out(server: PooledServer) -> bool:
            for worker in server.workers:
                assert worker.waits_for is not None
                targets = [s for s in everyone if self._serves(s, worker.waits_for)]
                if not targets or any(t not in stuck for t in targets):
                    return True
            return False

        while free := {server for server in stuck if has_way_out(server)}:
            stuck -= free
        return me.server in stuck

    # --- serving -----------------------------------------------------------------------------

    def add(self, server: PooledServer) -> None:
        """The server takes part from now on."""
        with self.lock:
            if server.running:
                return
            server.running = True
            self._servers[server.topic].append(server)
            while len(server.workers) < server.size and (post := self._next(server)):
                self._spawn(server, post)

    def remove(self, server: PooledServer) -> None:
        """The server takes no more messages; its idle workers end."""
        with self.lock:
            if not server.running:
                return
            server.running = False
            self._servers[server.topic].remove(server)
            server.fanouts.clear()
            for worker in server.idle:
                worker.gate.release()
            server.idle.clear()

    def drain(self, timeout: float) -> None:
        """Wait until no worker is busy."""
        with self.lock:
            if not self._quiet.wait_for(lambda: self._busy == 0, timeout):
                raise RpcTimeout(f"The bus was still busy after {timeout:g} seconds.")

    def close(self) -> None:
        """Stop servers; whoever waits for an answer is told."""
        for server in [s for servers in list(self._servers.values()) for s in servers]:
            server.stop()
        with self.lock:
            for queue in self._queues.values():
                for post in queue:
                    if post.gate is not None and not post.given_up:
                        post.gate.release()
            self._queues.clear()

    def _spawn(self, server: PooledServer, post: _Post) -> None:
        worker = _Worker(server, post=post)
        worker.gate.acquire()
        server.workers.append(worker)
        self._busy += 1
        name = f"{server.topic}-{len(server.workers)}"
        threading.Thread(target=self._work, args=(worker,), name=name, daemon=True).start()

    def _work(self, worker: _Worker) -> None:
        self._here.worker = worker
        server = worker.server
        while worker.post is not None:
            self._serve(server, worker.post)
            with self.lock:
                worker.post = self._next(server) if server.running else None
                resting = worker.post is None
                if resting:
                    self._rest(worker)
                    if not server.running:
                        return
            if resting:  # not worker.post again: a sender may have set it since
                worker.gate.acquire()
        with self.lock:
            self._end(worker)

    def _rest(self, worker: _Worker) -> None:
        self._busy -= 1
        if self._busy == 0:
            self._quiet.notify_all()
        if worker.server.running:
            worker.server.idle.append(worker)
        else:
            self._end(worker)

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.server.workers.remove(worker)
        worker.server.quiet.notify_all()

    def _next(self, server: PooledServer) -> _Post | None:
        """What is to be served next: own host's messages, then fanouts, then the topic's."""
        for queue in (self._queues.get((server.topic, server.host)), server.fanouts,
                      self._queues.get((server.topic, None))):
            while queue:
                post = queue.popleft()
                if not post.given_up:
                    return post
        return None

    @staticmethod
    def _serve(server: PooledServer, post: _Post) -> None:
        try:
            post.answer = server.dispatcher.handle(post.envelope)
        except DaemonKilled:
            return  # as if the process had died: nobody answers
        except BaseException:
            LOG.exception("%s ended its worker's turn", post.envelope.name)
            return
        if post.gate is not None:
            post.gate.release()
