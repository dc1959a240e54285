"""[api] workers: several processes behind one port, replaced when they die, ended together."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.rabbitmq import RabbitMQ
from tests.services.fixtures import rabbitmq  # noqa: F401  (fixture)
from tests.unit.test_daemon import Running, ask, free_port

pytestmark = pytest.mark.services


@pytest.fixture
def health_port() -> int:
    return free_port()


@pytest.fixture
def api(tmp_path: Path, rabbitmq: RabbitMQ, health_port: int) -> Iterator[tuple[Running, int]]:  # noqa: F811
    port = free_port()
    (tmp_path / "d.conf").write_text(
        f"[DEFAULT]\nhost = h1\nstate_path = {tmp_path}\ntransport_url = {rabbitmq.create_vhost()}\n"
        f"health_port = {health_port}\npid_file = {tmp_path}/api.pid\n"
        f"[api]\nlisten = 127.0.0.1\nport = {port}\nworkers = 2\n"
    )
    daemon = Running(tmp_path, "novalite.cmd.api")
    daemon.until(lambda: answers(port), 40)
    yield daemon, port
    if daemon.process.poll() is None:
        daemon.process.kill()
        daemon.process.wait()


def answers(port: int) -> bool:
    try:
        return ask(port)[0] == 200
    except OSError:
        return False


def pids(health_port: int) -> list[int]:
    return list(json.loads(ask(health_port)[1])["parts"]["workers"]["pids"])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_workers_answer_are_replaced_and_end_together(api: tuple[Running, int], health_port: int):
    daemon, port = api
    first = pids(health_port)
    assert len(first) == 2 and ask(health_port)[0] == 200
    os.kill(first[0], signal.SIGKILL)
    daemon.until(lambda: len(pids(health_port)) == 2 and first[0] not in pids(health_port))
    assert "Worker 0 ended by itself with -9" in daemon.said
    assert ask(port)[0] == 200
    last = pids(health_port)
    assert daemon.end() == 0
    assert not any(alive(pid) for pid in last)


def test_workers_do_not_outlive_a_killed_parent(api: tuple[Running, int], health_port: int):
    import time

    daemon, _ = api
    workers = pids(health_port)
    daemon.process.kill()
    daemon.process.wait()
    deadline = time.monotonic() + 15
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
