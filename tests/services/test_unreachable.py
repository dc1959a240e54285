"""Broker or database away at start: a daemon stays up, says so now and then, and ends when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.dev.rabbitmq import RabbitMQ
from tests.unit.test_daemon import Running, free_port

DAEMONS = ("api", "conductor", "scheduler", "compute")
PASSWORD = "hunter2"
Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a daemon over lines of configuration."""
    made: list[Running] = []

    def begin(daemon: str, *lines: str) -> Running:
        common = f"[DEFAULT]\nhost = h1\nstate_path = {tmp_path}\nstart_retry_interval = 0.4\n"
        ports = f"[api]\nlisten = 127.0.0.1\nport = {free_port()}\n[compute]\ndriver = fake\n"
        paths = f"instances_path = {tmp_path}/instances\n"
        (tmp_path / "d.conf").write_text(common + "\n".join(lines) + "\n" + ports + paths)
        made.append(Running(tmp_path, f"novalite.cmd.{daemon}"))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def waits_and_ends(daemon: Running, words: str) -> None:
    """It says `words` at intervals, neither ends nor grows loud, and SIGTERM ends it within 5 s."""
    daemon.until(lambda: daemon.said.count(words) >= 3, 40)
    said = [line for line in daemon.said.splitlines() if words in line]
    assert all("WARNING" in line and "rying again in" in line for line in said), said[0]
    began, before = time.monotonic(), daemon.said.count(words)
    time.sleep(1.0)
    assert daemon.said.count(words) - before <= 6, "a few lines a second at most"
    assert daemon.process.poll() is None
    began = time.monotonic()
    assert daemon.end() == 0
    assert time.monotonic() - began < 5
    assert PASSWORD not in daemon.said
    assert "Traceback" not in daemon.said


@pytest.mark.parametrize("daemon", DAEMONS)
def test_without_a_broker(start: Start, daemon: str) -> None:
    url = f"rabbit://novalite:{PASSWORD}@127.0.0.1:{free_port()}/"
    waits_and_ends(start(daemon, f"transport_url = {url}"), "The message broker cannot be reached")


@pytest.mark.services
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_conductor_without_its_database(start: Start, rabbitmq: RabbitMQ, driver: str) -> None:
    url = f"{driver}://novalite:{PASSWORD}@127.0.0.1:{free_port()}/novalite"
    bus = f"transport_url = {rabbitmq.create_vhost()}"
    daemon = start("conductor", bus, "[database]", f"connection = {url}")
    waits_and_ends(daemon, "The database cannot be reached")


@pytest.mark.services
@pytest.mark.parametrize(
    "daemon, words", [("compute", "Waiting for the conductor"), ("scheduler", "the hosts could not be read")]
)
def test_a_daemon_without_a_conductor(start: Start, rabbitmq: RabbitMQ, daemon: str, words: str) -> None:
    running = start(daemon, f"transport_url = {rabbitmq.create_vhost()}", "report_interval = 0.5")
    running.until(lambda: running.said.count(words) >= 2, 40)
    began = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - began < 5, running.said
    assert "Traceback" not in running.said, running.said
