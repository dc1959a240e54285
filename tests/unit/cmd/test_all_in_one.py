"""`novalite up`: a whole cloud from one command, again and again over the same folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from novalite.objects import metadata_signature as signed

ROOT = Path(__file__).parents[3]


class Up:
    """One run of the all-in-one."""

    def __init__(self, state: Path, *words: str) -> None:
        self.state = state
        self.errors = state.parent / "stderr"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "novalite.cmd.all_in_one", "--state-dir", str(state), "--driver", "fake",
             "--port", "0", *words],
            stdout=subprocess.PIPE, stderr=self.errors.open("wb"), text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def ready(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), self.errors.read_text()
        return line.split()[1]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    made: list[Up] = []

    def begin(*words: str) -> Up:
        made.append(Up(tmp_path / "state", *words))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def auth(state: Path) -> dict[str, str]:
    return dict(yaml.safe_load((state / "clouds.yaml").read_text())["clouds"]["novalite"]["auth"])


def token(credentials: dict[str, str]) -> str:
    """Log in as a client with this clouds.yaml would."""
    domain = {"name": credentials["user_domain_name"]}
    user = {"name": credentials["username"], "password": credentials["password"], "domain": domain}
    scope = {"project": {"name": credentials["project_name"], "domain": domain}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    kind = {"Content-Type": "application/json"}
    url = f"{credentials['auth_url']}/auth/tokens"
    request = urllib.request.Request(url, json.dumps(body).encode(), kind)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["X-Subject-Token"])


def get(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"X-Auth-Token": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_the_credentials_it_writes_open_the_cloud(up: Callable[..., Up]):
    cloud = up()
    url = cloud.ready()
    for name in ("clouds.yaml", "openrc", "admin-password", "novalite.db"):
        assert stat.S_IMODE((cloud.state / name).stat().st_mode) == 0o600, name
    credentials = auth(cloud.state)
    assert credentials["auth_url"] == f"{url}/identity/v3"
    opened = token(credentials)
    deadline = time.monotonic() + 10
    while True:
        services = get(f"{url}/v2.1/os-services", opened)["services"]
        seen = {service["binary"] for service in services if service["state"] == "up"}
        if seen == {"nova-conductor", "nova-scheduler", "nova-compute"}:
            break
        assert time.monotonic() < deadline, services
        time.sleep(0.05)
    assert cloud.end() == 0
    assert "Traceback" not in cloud.errors.read_text()


def test_a_second_start_keeps_password_and_data_and_follows_the_address(up: Callable[..., Up]):
    first = up()
    old = first.ready()
    before = auth(first.state)
    assert first.end() == 0
    second = up()
    new = second.ready()
    after = auth(second.state)
    assert new != old and after["auth_url"].startswith(new)
    assert after["password"] == before["password"] and token(after)
    assert second.end() == 0


def test_two_over_one_folder_are_refused(up: Callable[..., Up]):
    first = up()
    first.ready()
    second = up()
    assert second.process.wait(20) == 2
    assert "belongs to a running daemon" in second.errors.read_text()
    assert first.process.poll() is None and first.end() == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--driver", "abacus"], "abacus"), (["--host", "203.0.113.9"], "cannot listen on 203.0.113.9")],
)
def test_bad_arguments_are_one_line(up: Callable[..., Up], words: list[str], sentence: str):
    cloud = up(*words)
    assert cloud.process.wait(20) == 2
    said = cloud.errors.read_text().splitlines()[-1]
    assert said.startswith("novalite-up: Configuration:") and sentence in said


def test_a_cloud_with_networks_tells_guests_about_themselves(up: Callable[..., Up], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "networks.conf"
    at = f"http://127.0.0.1:{port}"
    config.write_text(
        "[api]\nlisten = 127.0.0.1\n[networks]\nservice = embedded\n"
        f"[metadata]\nlisten = 127.0.0.1\nport = {port}\nurl = {at}\nsecret = hush\n"
    )
    one = up("--config-file", str(config))
    one.ready()
    network, address = "b1c0ffee-0000-4000-8000-000000000001", "10.0.0.5"
    signature = signed.sign(signed.host_key("hush", "here"), network, address, network)
    said = {signed.HOST: "here", signed.NETWORK: network, signed.ADDRESS: address, signed.SERVER: network,
            signed.SIGNATURE: signature}  # fmt: skip
    for headers, status in (({}, 403), (said, 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{at}/openstack", headers=headers), timeout=20)
        assert refused.value.code == status
    assert one.end() == 0
