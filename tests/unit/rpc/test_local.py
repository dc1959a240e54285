"""The in-process bus beyond what every bus must do (tests/contract/rpc): pools, hooks, inline mode."""

from __future__ import annotations

import threading
import time

import pytest

from novalite.context import Context, system
from novalite.errors import BrokerUnreachable, BusFull, NobodyListens, PoolWouldDeadlock, RpcTimeout
from novalite.rpc.bus import DaemonKilled
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract, call, cast
from novalite.rpc.local import LocalBus
from tests.unit.rpc.parts import Parcel, Post, PostOffice

CTX = system()


class Left(Contract, topic="left", namespace="left", version="1.0"):
    @call(timeout=2)
    def bounce(self, ctx: Context, times: int) -> int:
        raise NotImplementedError

    @cast()
    def nudge(self, ctx: Context, times: int) -> None:
        raise NotImplementedError


class Right(Contract, topic="right", namespace="right", version="1.0"):
    @call(timeout=2)
    def bounce(self, ctx: Context, times: int) -> int:
        raise NotImplementedError


class LeftEnd(Left):
    def __init__(self, client: Client) -> None:
        self.client, self.log = client, []

    def bounce(self, ctx: Context, times: int) -> int:
        return 1 + self.client.of(Right).bounce(ctx, times - 1) if times else 0

    def nudge(self, ctx: Context, times: int) -> None:
        self.log.append(f"begin {times}")
        if times:
            self.client.of(Left).nudge(ctx, times - 1)
        self.log.append(f"end {times}")


class RightEnd(Right):
    def __init__(self, client: Client) -> None:
        self.client = client

    def bounce(self, ctx: Context, times: int) -> int:
        return 1 + self.client.of(Left).bounce(ctx, times - 1) if times else 0


def two_pools(bus: LocalBus, size: int) -> Client:
    client = Client(bus)
    bus.serve("left", "h", [LeftEnd(client)], workers=size).start()
    bus.serve("right", "h", [RightEnd(client)], workers=size).start()
    return client


def test_a_pool_that_would_wait_on_itself_says_so():
    bus = LocalBus()
    client = two_pools(bus, 1)
    assert client.of(Left).bounce(CTX, 1) == 1
    began = time.perf_counter()
    with pytest.raises(PoolWouldDeadlock, match=r"left\.bounce was called on left"):
        client.of(Left).bounce(CTX, 2)
    assert time.perf_counter() - began < 1
    assert client.of(Left).bounce(CTX, 1) == 1, "the workers are free again"
    bus.close()


def test_a_pool_with_a_worker_left_may_call_itself():
    bus = LocalBus()
    assert two_pools(bus, 3).of(Left).bounce(CTX, 5) == 5
    bus.close()


def test_many_callers_on_full_pools_all_get_an_answer_or_the_error():
    bus = LocalBus()
    left, outcomes = two_pools(bus, 2).of(Left), []

    def ask() -> None:
        try:
            outcomes.append(left.bounce(CTX, 3))
        except PoolWouldDeadlock:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(outcomes) == 12 and 3 in outcomes
    bus.drain()
    bus.close()


def test_a_full_queue_refuses_and_nothing_is_lost_from_it():
    bus, office = LocalBus(max_pending=3), PostOffice()
    post = Client(bus).of(Post)
    for n in range(3):
        post.drop(CTX, f"p{n}")
    with pytest.raises(BusFull, match="queue of post is full"):
        post.drop(CTX, "one too many")
    bus.serve("post", "h", [office], workers=1).start()
    bus.drain()
    assert office.seen == ["p0", "p1", "p2"]
    bus.close()


def test_a_caller_that_gave_up_is_not_served_later():
    bus, office = LocalBus(), PostOffice()
    with pytest.raises(NobodyListens, match=r"No daemon answers for post: post\.sleep found nobody"):
        Client(bus).of(Post).sleep(CTX, 0)
    bus.serve("post", "h", [office], workers=1).start()
    bus.drain()
    assert office.seen == []
    bus.close()


def test_stop_waits_for_the_message_in_hand_and_leaves_the_rest_to_others():
    bus, first, second = LocalBus(), PostOffice(), PostOffice()
    post = Client(bus).of(Post)
    handle = bus.serve("post", "h", [first], workers=1)
    handle.start()
    caller = threading.Thread(target=lambda: post.sleep(CTX, 0.2))
    caller.start()
    time.sleep(0.05)
    post.drop(CTX, "for the other")
    assert handle.stop(grace=5) is True
    assert first.seen == ["slept"]
    bus.serve("post", "h2", [second], workers=1).start()
    bus.drain()
    assert second.seen == ["for the other"]
    caller.join()
    bus.close()


def test_stop_says_when_work_is_left_after_the_grace():
    bus = LocalBus()
    handle = bus.serve("post", "h", [PostOffice()], workers=1)
    handle.start()
    with pytest.raises(RpcTimeout):
        Client(bus).of(Post).sleep(CTX, 1.0)
    assert handle.stop(grace=0.05) is False
    bus.close()


def test_a_closed_bus_refuses():
    bus = LocalBus()
    bus.close()
    with pytest.raises(BrokerUnreachable):
        Client(bus).of(Post).drop(CTX, "x")


def test_idle_workers_survive_a_storm_of_calls():
    bus, office = LocalBus(), PostOffice()
    bus.serve("post", "h", [office], workers=4).start()
    post, wrong = Client(bus).of(Post), []

    def ask() -> None:
        wrong.extend(n for n in range(300) if post.weigh(CTX, Parcel(name="a", weights=(n,))) != f"{n} kg")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == [] and bus.sent["call"] == 2400
    bus.close()


# --- inline mode -----------------------------------------------------------------------------


def test_inline_finishes_casts_before_the_outermost_message_returns():
    bus = LocalBus(inline=True)
    client = Client(bus)
    left = LeftEnd(client)
    bus.serve("left", "h", [left]).start()
    client.of(Left).nudge(CTX, 2)
    assert left.log == ["begin 2", "end 2", "begin 1", "end 1", "begin 0", "end 0"]


def test_inline_calls_nest_without_pools():
    assert two_pools(LocalBus(inline=True), 1).of(Left).bounce(CTX, 9) == 9


def test_inline_without_a_server_a_call_times_out_at_once_and_a_cast_waits():
    bus, office = LocalBus(inline=True), PostOffice()
    post = Client(bus).of(Post)
    with pytest.raises(RpcTimeout):
        post.weigh(CTX, Parcel(name="a"))
    post.drop(CTX, "early")
    bus.serve("post", "h", [office]).start()
    assert office.seen == ["early"]


class Mortal(PostOffice):
    def drop(self, ctx: Context, name: str) -> None:
        raise DaemonKilled

    def fail(self, ctx: Context, how: str) -> None:
        raise DaemonKilled


@pytest.mark.parametrize("inline", [True, False])
def test_a_daemon_that_dies_answers_nobody(inline):
    bus = LocalBus(inline=inline)
    bus.serve("post", "h", [Mortal()], workers=1).start()
    Client(bus).of(Post).drop(CTX, "x")
    with pytest.raises(RpcTimeout):
        Client(bus).of(Post, timeout=0.1).fail(CTX, "now")
    bus.close()


@pytest.mark.parametrize("inline", [True, False])
def test_hooks_lose_and_repeat_messages(inline):
    bus, office = LocalBus(inline=inline), PostOffice()
    bus.serve("post", "h", [office], workers=1).start()
    post = Client(bus).of(Post)
    with bus.lose(lambda e: e.method == "drop", limit=1) as lost:
        post.drop(CTX, "a")
        post.drop(CTX, "b")
    with bus.repeat(lambda e: e.name == "post.drop"):
        post.drop(CTX, "c")
    with bus.lose(lambda e: e.method == "who"), pytest.raises(RpcTimeout):
        post.who(CTX)
    with bus.lose_answer(lambda e: e.method == "sleep"), pytest.raises(RpcTimeout):
        post.sleep(CTX, 0)
    bus.drain()
    assert office.seen == ["b", "c", "c", "slept"]
    assert [e.name for e in lost.hits] == ["post.drop"]
    assert post.who(CTX)[0] == "h1"
    bus.close()


def test_messages_are_counted_by_kind_and_recorded():
    bus = LocalBus(inline=True)
    bus.serve("post", "h", [PostOffice()]).start()
    post = Client(bus).of(Post)
    with bus.recording() as log:
        post.who(CTX)
        post.drop(CTX, "a")
        post.shout(CTX, "b")
    post.who(CTX)
    assert [e.name for e in log] == ["post.who", "post.drop", "post.shout"]
    assert bus.sent == {"call": 2, "cast": 1, "fanout": 1}
