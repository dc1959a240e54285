"""The API over the real conductor endpoints of the smaller nouns, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from sqlalchemy import event

from novalite.conductor.env import Env
from novalite.conductor.feed import Feed
from novalite.conductor.flavors import FlavorsEndpoint
from novalite.conductor.hosts import HostsEndpoint
from novalite.conductor.keypairs import KeypairsEndpoint
from novalite.conductor.quotas import QuotasEndpoint
from novalite.conductor.runner import TaskRunner
from novalite.conductor.services import ServicesEndpoint
from novalite.conductor.tasks import FLOWS
from novalite.conf.load import for_tests
from novalite.context import Context
from novalite.db import servers
from novalite.db.models import Base
from novalite.db.models.compute import new_id
from novalite.db.session import Database
from novalite.objects.hosts import HostDeltas, HostInventory, HostRow
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import HostFeed
from tests.api.support import PROJECT, ApiUnderTest

ENDPOINTS = (FlavorsEndpoint, KeypairsEndpoint, QuotasEndpoint, ServicesEndpoint, HostsEndpoint)


def an_inventory(host: str = "alpha", **changes: Any) -> HostInventory:
    """What a host reports."""
    facts = {
        "host": host, "node": f"{host}.example", "hypervisor_type": "QEMU", "hypervisor_version": 9002001,
        "host_ip": "192.0.2.1", "vcpus": 4, "ram_mb": 8192, "disk_gb": 100, "reserved_ram_mb": 512,
        "cpu_info": {"arch": "x86_64"}, "uptime": "up 3 days",
    }  # fmt: skip
    return HostInventory.model_validate({**facts, **changes})


def a_server_row(**changes: Any) -> dict[str, Any]:
    """A row of `servers` that counts."""
    row = {
        "id": new_id(), "name": "web", "hostname": "web", "project_id": PROJECT, "user_id": "u-member",
        "vm_state": "active", "flavor_id": "1", "flavor": {}, "vcpus": 1, "ram_mb": 512, "disk_gb": 1,
        "reservation_id": "r-1",
    }  # fmt: skip
    return {**row, **changes}


class Listener(HostFeed):
    """A scheduler that remembers what it was told."""

    def __init__(self) -> None:
        self.rows: list[HostRow] = []

    def changed(self, ctx: Context, deltas: HostDeltas) -> None:
        self.rows += deltas.rows


class NounsUnderTest(ApiUnderTest):
    """With the database, the endpoints and what schedulers were told."""

    def __init__(self, url: str, **options: Any) -> None:
        self.conf = for_tests(options)
        self.db = Database(url)
        self.env = Env(conf=self.conf, db=self.db, client=None, host="controller")  # type: ignore[arg-type]
        self.told = Listener()
        super().__init__(*(kind(self.env) for kind in ENDPOINTS), self.told, options=options)
        self.env.client = Client(self.bus)
        self.env.feed = Feed(self.db, self.env.client, interval=0)
        self.env.tasks = TaskRunner(self.env, FLOWS, inline=True)

    def add_servers(self, *rows: dict[str, Any]) -> None:
        """Put servers into the database."""
        with self.db.begin() as session:
            for row in rows:
                servers.create(session, [row])

    def statements(self, path: str, **more: Any) -> int:
        """How many SQL statements a GET costs."""
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(self.db.engine, "before_cursor_execute", note)
        try:
            assert self.get(path, **more).status_code == 200
        finally:
            event.remove(self.db.engine, "before_cursor_execute", note)
        return len([statement for statement in seen if not statement.startswith("BEGIN")])


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row, to copy."""
    path = tmp_path_factory.mktemp("nouns") / "empty.db"
    db = Database(f"sqlite:///{path}")
    Base.metadata.create_all(db.engine)
    db.close()
    return path


@pytest.fixture
def nouns(tmp_path: Path, empty_database: Path) -> Iterator[NounsUnderTest]:
    """A fresh one for each test."""
    copy(empty_database, tmp_path / "novalite.db")
    made = NounsUnderTest(f"sqlite:///{tmp_path / 'novalite.db'}")
    yield made
    made.bus.close()
    made.db.close()
