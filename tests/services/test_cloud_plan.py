"""A split cloud on paper: who is started, and who is told what."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from deploy.dev.cloud import Cloud, Plan
from deploy.dev.front import serve
from deploy.dev.ports import answers, free_port
from deploy.dev.processes import wait_for
from deploy.dev.settings import write_config


def test_members_start_with_the_one_that_answers_the_others() -> None:
    plan = Plan(computes=2, apis=1, conductors=2, schedulers=1)
    assert plan.members == ["conductor-1", "conductor-2", "scheduler-1", "api-1", "compute-1", "compute-2"]
    assert Plan(computes=1, consoles=1).members[-2:] == ["novncproxy-1", "compute-1"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"db": "oracle"}, "postgresql, mariadb or sqlite"),
        ({"driver": "xen"}, "fake or libvirt"),
        ({"apis": 0}, "at least 1"),
        ({"consoles": 2}, "0 or 1"),
        ({"db": "sqlite", "conductors": 2}, "one conductor only"),
    ],
)
def test_impossible_clouds_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Plan(**wrong)  # type: ignore[arg-type]


def test_only_conductors_learn_the_database(tmp_path: Path) -> None:
    cloud = Cloud(Plan(computes=1, options={"DEFAULT.debug": "true"}), tmp_path)
    for name in cloud.plan.members:
        options = cloud._options(name)
        assert ("database.connection" in options) == name.startswith("conductor"), name
        assert options["DEFAULT.debug"] == "true"
        assert options["DEFAULT.host"] == name


def test_config_files_are_private_and_grouped(tmp_path: Path) -> None:
    path = write_config(tmp_path / "a.conf", {"DEFAULT.host": "h", "api.port": "1", "DEFAULT.debug": "true"})
    assert path.read_text() == "[DEFAULT]\nhost = h\ndebug = true\n\n[api]\nport = 1\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_front_door_passes_by_a_dead_api() -> None:
    import asyncio

    with socket.create_server(("127.0.0.1", 0)) as alive:
        front, dead = free_port(), free_port()
        backends = [dead, alive.getsockname()[1]]
        threading.Thread(target=lambda: asyncio.run(serve(front, backends)), daemon=True).start()
        wait_for("the front door", lambda: answers(front), 20)
        alive.settimeout(5)
        with socket.create_connection(("127.0.0.1", front), timeout=5) as client:
            client.sendall(b"ping")
            client.shutdown(socket.SHUT_WR)
            received = b""
            while received != b"ping":
                link, _ = alive.accept()
                received = link.recv(4)
                link.sendall(b"pong")
                link.close()
            assert client.recv(4) == b"pong"
