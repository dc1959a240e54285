"""A cloud with consoles, and a proxy to them in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.api.console_proxy.server import ConsoleProxy
from tests.cloud import Cloud

Opened = Callable[..., str]


class World:
    """A cloud with a proxy and a server or two; options are changed while it lives."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.member = cloud, cloud.rest()
        self.proxy = ConsoleProxy(cloud.conf, cloud.client)
        self.proxy.start()
        self.port = self.proxy.port
        self.base = f"http://127.0.0.1:{self.port}"
        cloud.conf.set_override("base_url", self.base, group="consoles")
        self.image = self.member.image()
        self.server = self.member.boot("web", imageRef=self.image)

    def option(self, **values: Any) -> None:
        """Change options of [consoles]; `reset` undoes it."""
        for name, value in values.items():
            self.cloud.conf.set_override(name, value, group="consoles")

    def reset(self) -> None:
        """Options are as they were."""
        for name in self.cloud.conf.consoles:
            self.cloud.conf.clear_override(name, group="consoles")
        self.option(base_url=self.base, port=0)

    def url(self, kind: str = "serial", server: str | None = None) -> str:
        """A new one, from the API."""
        wanted = {"protocol": {"novnc": "vnc"}.get(kind, kind), "type": kind}
        path = f"/servers/{server or self.server}/remote-consoles"
        return str(self.member.made(path, {"remote_console": wanted})["remote_console"]["url"])


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("consoles")
    with Cloud(folder, overrides={"consoles.port": 0}) as cloud:
        made = World(cloud)
        yield made
        made.proxy.stop(5)


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    yield _world
    _world.reset()
