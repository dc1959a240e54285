"""Run tests on eventlet: `NOVALITE_CONCURRENCY=eventlet python -m pytest -p tests.eventlet_first tests/api …`.

pytest loads a plugin named by -p before it imports any test, and so before anything that eventlet patches is
held by somebody. Without the variable this does nothing, so `-p` may stay.

libvirt blocks in C and is never used on eventlet (novalite-compute always runs threads), so the tests that
need it are no part of such a run.
"""

from __future__ import annotations

import os

from novalite.cmd import _boot

_boot.choose_concurrency([])


def pytest_configure() -> None:
    """A run that only looks as if it were on eventlet would prove nothing."""
    if os.environ.get(_boot.ENVIRONMENT) == "eventlet":
        from eventlet.patcher import is_monkey_patched

        assert is_monkey_patched("thread") and is_monkey_patched("socket")
