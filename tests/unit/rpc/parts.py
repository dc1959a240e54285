"""A small contract and its endpoint, for tests of the bus."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from novalite.context import Context
from novalite.errors import ServerNotFound
from novalite.objects.base import Message, Packed, Record, pack
from novalite.rpc.contracts.base import Contract, call, cast, fanout


class Parcel(Message):
    name: str
    weights: tuple[int, ...] = ()
    sent_at: datetime | None = None


class Post(Contract, topic="post", namespace="post", version="1.2"):
    @call(timeout=5)
    def weigh(self, ctx: Context, parcel: Parcel, unit: str = "kg") -> str:
        raise NotImplementedError

    @call(timeout=5)
    def improve(self, ctx: Context, parcel: Parcel) -> Parcel:
        raise NotImplementedError

    @call(timeout=5)
    def rows(self, ctx: Context, count: int) -> list[Record]:
        raise NotImplementedError

    @call(timeout=10)
    def big(self, ctx: Context, count: int) -> Packed:
        raise NotImplementedError

    @call(timeout=5)
    def fail(self, ctx: Context, how: str) -> None:
        raise NotImplementedError

    @call(timeout=0.3)
    def sleep(self, ctx: Context, seconds: float) -> None:
        raise NotImplementedError

    @call(timeout=5)
    def who(self, ctx: Context) -> list[str | None]:
        raise NotImplementedError

    @call(timeout=5)
    def forgotten(self, ctx: Context) -> None:
        raise NotImplementedError

    @cast()
    def drop(self, ctx: Context, name: str) -> None:
        raise NotImplementedError

    @fanout()
    def shout(self, ctx: Context, word: str) -> None:
        raise NotImplementedError


class PostOffice(Post):
    """Remembers what reached it. `forgotten` is left out on purpose."""

    def __init__(self, host: str = "h1") -> None:
        self.host = host
        self.seen: list[str] = []
        self.arrived = threading.Event()

    def weigh(self, ctx: Context, parcel: Parcel, unit: str = "kg") -> str:
        assert isinstance(parcel, Parcel)
        return f"{sum(parcel.weights)} {unit}"

    def improve(self, ctx: Context, parcel: Parcel) -> Parcel:
        return parcel.model_copy(update={"weights": (*parcel.weights, 1)})

    def rows(self, ctx: Context, count: int) -> list[Record]:
        return [{"id": n, "name": f"row {n}"} for n in range(count)]

    def big(self, ctx: Context, count: int) -> Packed:
        return pack([{"id": n, "name": f"a server called {n * 7919 % count}"} for n in range(count)])

    def fail(self, ctx: Context, how: str) -> None:
        if how == "ours":
            raise ServerNotFound(server_id="42")
        raise ZeroDivisionError("by nought")

    def sleep(self, ctx: Context, seconds: float) -> None:
        time.sleep(seconds)
        self.note("slept")

    def who(self, ctx: Context) -> list[str | None]:
        return [self.host, ctx.user_id, ctx.request_id]

    def drop(self, ctx: Context, name: str) -> None:
        self.note(name)

    def shout(self, ctx: Context, word: str) -> None:
        self.note(word)

    def note(self, what: str) -> None:
        self.seen.append(what)
        self.arrived.set()
