"""The API over a scripted conductor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.scripted import ScriptedActions, ScriptedPasswords, ScriptedServers, ScriptedTasks
from tests.api.support import ApiUnderTest
from tests.api.world import World


class ServersUnderTest(ApiUnderTest):
    """With the parts the tests look into."""

    def __init__(self, **options: object) -> None:
        self.servers, self.tasks, self.actions = ScriptedServers(), ScriptedTasks(), ScriptedActions()
        super().__init__(self.servers, self.tasks, self.actions, ScriptedPasswords(), options=options)

    def reset(self) -> None:
        """As new: making an app takes longer than most tests."""
        self.servers.reset()
        self.tasks.poked.clear()
        self.actions.seen.clear()


@pytest.fixture(scope="session")
def _shared_api() -> ServersUnderTest:
    return ServersUnderTest()


@pytest.fixture
def api(_shared_api: ServersUnderTest) -> ServersUnderTest:
    """The API with default options and nothing done yet."""
    _shared_api.reset()
    return _shared_api


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all rows: a refused request changes nothing, so none can disturb another."""
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()
