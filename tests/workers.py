"""How `pytest -n` spreads tests over processes: by whole files, so that what a module shares is made once; all
files with real guests together, so that guests never starve one another, and first, because they take longest.

Marking tests with `xdist_group` would say the same, but pytest-xdist 3.8 does not see those marks under pytest 9.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

REAL = "tests/real"


def place(nodeid: str) -> str:
    """What is handed out as one piece."""
    return REAL if nodeid.startswith(f"{REAL}/") else nodeid.partition("::")[0]


class ByFile(LoadScopeScheduling):
    """See the module."""

    def _split_scope(self, nodeid: str) -> str:
        return place(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """In the order of collection, not the file with most tests first."""
    config.option.loadscopereorder = False
    return ByFile(config, log)  # type: ignore[arg-type]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only for workers; a single process has the quick tests first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid) != REAL)
