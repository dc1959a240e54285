"""Engines that share what SQLAlchemy has compiled: a test opens a database for itself and runs each of its
statements once or twice, so that compiling them anew took a third of the time of most tests."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import URL, Dialect, Engine, create_engine
from sqlalchemy.util import LRUCache

_compiled: LRUCache[Any, Any] = LRUCache(10_000)


def make_engine(url: URL, **options: Any) -> Engine:
    """An engine that finds the statements that others with the same driver have compiled.

    PyMySQL reads this machine's certificates for each connection, 25 ms, in case the server offers TLS; ours do not.
    """
    if url.get_driver_name() == "pymysql":
        options["connect_args"] = {"ssl_disabled": True, **options.get("connect_args", {})}
    engine = create_engine(url, **options)
    engine.dialect.__class__ = _alike(type(engine.dialect))  # statements are looked up by their dialect
    engine._compiled_cache = _compiled
    return engine


@functools.cache
def _alike(kind: type[Dialect]) -> type[Dialect]:
    """The same dialect, but one is as good as another: all of a kind speak to one server, or to none."""

    def same(self: Dialect, other: object) -> bool:
        return type(self) is type(other)

    alike = {"__eq__": same, "__hash__": lambda self: hash(kind), "supports_statement_cache": True}
    return type(kind.__name__, (kind,), alike)
