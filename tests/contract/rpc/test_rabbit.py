"""What only a broker can do to us: go away, come back, refuse the password, be far too early or late."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.dev.rabbitmq import RabbitMQ
from novalite.conf.load import for_tests
from novalite.context import system
from novalite.errors import BrokerUnreachable, ConfigError, NovaliteError
from novalite.rpc.client import Client
from novalite.rpc.transport import RabbitBus
from tests.services.fixtures import rabbitmq  # noqa: F401  (fixture)
from tests.unit.rpc.parts import Post, PostOffice

pytestmark = pytest.mark.services
CTX = system()


def bus_of(url: str, **options: object) -> RabbitBus:
    return RabbitBus(for_tests({"host": "h1", "transport_url": url, **options}))


@pytest.fixture
def bus(rabbitmq: RabbitMQ) -> Iterator[RabbitBus]:  # noqa: F811
    made = bus_of(rabbitmq.create_vhost())
    yield made
    made.close()


@pytest.fixture
def nowhere(unused_port: int) -> str:
    return f"rabbit://guest:hunter2@127.0.0.1:{unused_port}/"


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_after_a_restart_of_the_broker_everything_works_again(bus: RabbitBus, rabbitmq: RabbitMQ):  # noqa: F811
    office = PostOffice("h1")
    bus.serve("post", "h1", [office], workers=4).start()
    post = Client(bus).of(Post, timeout=5)
    assert post.who(CTX)[0] == "h1"
    rabbitmq.restart()
    deadline = time.monotonic() + 60
    while True:
        try:
            assert post.who(CTX)[0] == "h1"
            break
        except NovaliteError:
            assert time.monotonic() < deadline, "never came back"
    post.shout(CTX, "back")
    post.drop(CTX, "again")
    while not {"back", "again"} <= set(office.seen):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_absent_broker_is_found_out_at_once_and_a_send_gives_up(nowhere: str):
    bus = bus_of(nowhere)
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"The message broker cannot be reached: .*(?i:refused)") as caught:
        bus.check()
    assert time.monotonic() - began < 3
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(BrokerUnreachable):
        Client(bus).of(Post).drop(CTX, "x")
    assert time.monotonic() - began < 20
    bus.close()


def test_a_wrong_password_is_said(rabbitmq: RabbitMQ):  # noqa: F811
    bus = bus_of(rabbitmq.url.replace("guest:guest", "guest:wrong"))
    with pytest.raises(BrokerUnreachable, match="ACCESS_REFUSED"):
        bus.check()
    bus.close()


def test_a_reachable_broker_passes_the_check(bus: RabbitBus):
    bus.check()


@pytest.mark.parametrize("url", ["nonsense://x", "rabbit://h:port/x"])
def test_a_bad_url_is_a_configuration_error(url: str):
    with pytest.raises(ConfigError, match=r"\[DEFAULT\] transport_url"):
        bus_of(url)


def test_quorum_daemons_of_one_machine_have_reply_queues_of_their_own(rabbitmq: RabbitMQ, tmp_path: Path):  # noqa: F811
    """Two processes of the same program and machine, told apart by [DEFAULT] host."""
    url = rabbitmq.create_vhost()
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run_program, url, "threads", tmp_path / host, host, "quorum")
                   for host in ("h1", "h2")]
    for output in (each.result() for each in running):
        assert "all well" in output, output


@pytest.mark.parametrize("mode", ["threads", "eventlet"])
def test_the_same_code_runs_on_threads_and_on_eventlet(rabbitmq: RabbitMQ, tmp_path: Path, mode: str):  # noqa: F811
    assert "all well" in run_program(rabbitmq.create_vhost(), mode, tmp_path)


def run_program(url: str, mode: str, state: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.rpc.program", url, mode, str(state), *words],
        capture_output=True, text=True, timeout=90, cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    return done.stdout + done.stderr


def test_a_local_bus_loads_no_messaging_library():
    code = (
        "import sys; from novalite.rpc.connect import connect; from novalite.conf.load import for_tests;"
        "connect(for_tests()); heavy = ('oslo_messaging', 'kombu', 'eventlet');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
