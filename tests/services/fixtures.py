"""Private services for tests, started on first use, one of each per test session.

`rabbitmq.create_vhost()`, `postgresql.create_database()` and `mariadb.create_database()` give a
test a corner of its own. Without the programs the tests are skipped, unless
NOVALITE_REQUIRE_SERVICES is set, as it is in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from deploy.dev.hosts import Hypervisors
from deploy.dev.mariadb import MariaDB
from deploy.dev.postgresql import PostgreSQL
from deploy.dev.processes import NotInstalled
from deploy.dev.rabbitmq import RabbitMQ
from deploy.dev.service import Service

S = TypeVar("S", bound=Service)


@contextmanager
def running(service: S) -> Iterator[S]:
    """The service, started; a skip where its programs are not installed."""
    try:
        service.start()
    except NotInstalled as missing:
        service.stop()
        if os.environ.get("NOVALITE_REQUIRE_SERVICES"):
            raise
        pytest.skip(str(missing))
    except BaseException:
        service.stop()
        raise
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A private broker."""
    with running(RabbitMQ()) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A private PostgreSQL server."""
    with running(PostgreSQL()) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A private MariaDB server."""
    with running(MariaDB()) as server:
        yield server


@pytest.fixture(scope="session")
def hypervisors() -> Iterator[Hypervisors]:
    """Two hypervisor hosts with a libvirtd each, in namespaces."""
    with running(Hypervisors(2)) as hosts:
        yield hosts
