"""Fixtures every test may use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.db.session import Database
from tests.cloud import Cloud
from tests.engines import make_engine

pytest_plugins = ["tests.golden.plugin", "tests.services.fixtures", "tests.services.ready", "tests.workers"]

gc.set_threshold(200_000, 20, 20)  # clouds are made and dropped all the time: a tenth less CPU (measured)
Database.make_engine = staticmethod(make_engine)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A whole control plane in one process, with one host."""
    with Cloud(tmp_path) as made:
        yield made


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[Cloud]:
    """The same with two hosts."""
    with Cloud(tmp_path, hosts=("alpha", "beta")) as made:
        yield made


@pytest.fixture
def two_conductors(tmp_path: Path) -> Iterator[Cloud]:
    """Two conductors and two hosts; requests go to the first conductor while it lives."""
    with Cloud(tmp_path, hosts=("alpha", "beta"), conductors=2) as made:
        yield made
