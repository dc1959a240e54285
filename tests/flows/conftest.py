"""Clouds of flow tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.harness import check_invariants
from tests.served import ServedCloud


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    with ServedCloud(tmp_path_factory.mktemp("served"), hosts=("alpha", "beta"), conductors=60) as made:
        yield made


@pytest.fixture
def served(_served: ServedCloud) -> Iterator[ServedCloud]:
    """Two hosts, bytes of images over HTTP, a conductor for each that dies; one for a file of tests, and nothing in
    it before and after each."""
    _served.revive()
    yield _served
    for name in _served.host_names:
        _served.driver(name).heal()
    _served.recover(1)
    check_invariants(_served)
    _served.empty()
    assert _served.files() == []
