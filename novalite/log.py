"""Log records that say which request they belong to; formats, files and system logs.

`bind(ctx)` is entered by whoever serves a request (API middleware, RPC dispatcher, periodic runner);
every record logged inside carries its request id, user and project.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from novalite.context import Context

_CURRENT: ContextVar[Context | None] = ContextVar("novalite_context", default=None)


@contextmanager
def bind(ctx: Context | None) -> Iterator[None]:
    """Records logged by this thread inside the block belong to `ctx`."""
    token = _CURRENT.set(ctx)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Context | None:
    """The context bound last, None outside any request."""
    return _CURRENT.get()
