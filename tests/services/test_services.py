"""Each private service: start, connect, restart, crash, stop; no process is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.dev.hosts import Hypervisors
from deploy.dev.libvirtd import Libvirtd
from deploy.dev.mariadb import MariaDB
from deploy.dev.ports import free_port
from deploy.dev.postgresql import PostgreSQL
from deploy.dev.processes import Daemon, NotInstalled, NotReady, need, record, running, started
from deploy.dev.rabbitmq import RabbitMQ
from tests.services import fixtures

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parents[2]


def all_gone(pids: list[int], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while any(started(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(started(pid) for pid in pids)


def send_and_receive(url: str) -> str:
    kombu = pytest.importorskip("kombu")
    with kombu.Connection(url.replace("rabbit://", "amqp://")) as link:
        queue = link.SimpleQueue("parcel")
        queue.put("hello")
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
        return str(message.payload)


def select_one(url: str) -> int:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as link:
        answer = link.execute(sqlalchemy.text("SELECT 1")).scalar()
    engine.dispose()
    return int(answer)


def virsh(uri: str, *words: str) -> str:
    done = subprocess.run(["virsh", "-c", uri, *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_rabbitmq_survives_a_crash_and_leaves_nothing() -> None:
    with fixtures.running(RabbitMQ()) as broker:
        url = broker.create_vhost()
        assert send_and_receive(url) == "hello"
        broker.kill()
        broker.start()
        assert send_and_receive(url) == "hello"
        broker.delete_vhost(url)
        pids, state = broker.pids, broker.state
        assert len(pids) == 2
    assert all_gone(pids)
    assert not state.exists()


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB])
def test_database_servers_survive_a_crash_and_leave_nothing(kind: type[PostgreSQL | MariaDB]) -> None:
    with fixtures.running(kind()) as server:
        url = server.create_database()
        assert select_one(url) == 1
        server.restart()
        assert select_one(url) == 1
        server.kill()
        server.start()
        assert select_one(url) == 1
        server.drop_database(url)
        pids = server.pids
    assert pids
    assert all_gone(pids)


def test_private_libvirtd_answers_and_leaves_nothing() -> None:
    with fixtures.running(Libvirtd()) as libvirtd:
        assert virsh(libvirtd.uri, "list", "--all", "--name") == ""
        libvirtd.restart()
        assert virsh(libvirtd.uri, "list", "--all", "--name") == ""
        pids = libvirtd.pids
    assert pids
    assert all_gone(pids)


def test_hypervisor_hosts_are_separate_and_see_each_other() -> None:
    with fixtures.running(Hypervisors(2)) as hosts:
        names = [virsh(hosts.uri(i), "hostname") for i in (1, 2)]
        assert names == [f"{hosts.prefix}h1", f"{hosts.prefix}h2"]
        assert hosts.exec(1, "virsh", "-c", hosts.inner_uri(2), "hostname").stdout.strip() == names[1]
        hosts.kill(1)
        assert hosts.exec(2, "virsh", "-c", hosts.inner_uri(1), "hostname").returncode != 0
        hosts.power_on(1)
        assert virsh(hosts.uri(1), "hostname") == names[0]
        pids, prefix = hosts.pids, hosts.prefix
    assert all_gone(pids)
    assert prefix not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("module", "service"),
    [("postgresql", "PostgreSQL()"), ("hosts", "Hypervisors(2)"), ("rabbitmq", "RabbitMQ()")],
)
def test_a_killed_test_run_leaves_nothing(module: str, service: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = (
        "import time, pathlib\n"
        f"from deploy.dev.{module} import *\n"
        f"service = {service}.start()\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "pathlib.Path(f'{note}.new').write_text(f'{service.state} {service.pids}')\n"
        "pathlib.Path(f'{note}.new').rename(note)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 90
        while not note.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if run.poll() is not None and b"NotInstalled" in (run.stderr.read() if run.stderr else b""):
            pytest.skip(f"{module} is not installed")
        os.kill(run.pid, signal.SIGKILL)
    state, _, pids = note.read_text().partition(" ")
    assert all_gone(json.loads(pids), seconds=30)
    deadline = time.monotonic() + 20
    while Path(state).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(state).exists()


def test_a_later_process_can_stop_a_kept_service(tmp_path: Path) -> None:
    first = Daemon("sleeper", tmp_path, ["sleep", "60"]).start()
    pid = first.pid
    later = Daemon("sleeper", tmp_path)
    assert pid is not None
    assert later.pid == pid
    later.stop()
    assert first.pid is None
    assert started(pid) is None


def test_a_recycled_pid_is_not_taken_for_ours(tmp_path: Path) -> None:
    pid_file = tmp_path / "stranger.pid"
    record(pid_file, os.getpid())
    assert running(pid_file) == os.getpid()
    (tmp_path / ".stranger.pid.start").write_text("12345")
    assert running(pid_file) is None


def test_a_daemon_that_dies_at_start_shows_its_log(tmp_path: Path) -> None:
    daemon = Daemon("broken", tmp_path, ["sh", "-c", "echo cannot read config; exit 3"]).start()
    with pytest.raises(NotReady, match=r"(?s)ended by itself.*cannot read config"):
        daemon.wait_until("broken", lambda: False, 10)


def test_a_missing_program_says_what_to_install() -> None:
    with pytest.raises(NotInstalled, match="apt-get install libvirt-daemon-system"):
        need("no-such-libvirtd", "libvirt-daemon-system")


def test_ports_are_handed_out_once() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
