"""Every `novalite` command, over HTTP, against a control plane with a pretended hypervisor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from novalite.api.app import create_app
from novalite.cli.commands import run
from novalite.cmd.http import WaitressServer, listen
from novalite.conductor.bootstrap import bootstrap
from novalite.identity.passwords import Passwords
from tests.cloud import PASSWORD, Cloud
from tests.disks import MIB
from tests.networked import a_network, a_port, networked

Novalite = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What makes clients find a cloud that has a flavor `tiny`, an image `disk`, a network `private` with a
    port `plug`, and a host `alpha`."""
    folder = tmp_path_factory.mktemp("cli")
    with networked(folder, hosts=("alpha",)) as cloud, environment_of(cloud) as found:
        admin = cloud.rest("admin")
        admin.image(name="disk")
        network = a_network(cloud, "private", project=admin.project_id)
        a_port(cloud, network, admin.project_id, name="plug")
        yield found


@contextmanager
def environment_of(cloud: Cloud) -> Iterator[dict[str, str]]:
    """The API of a cloud over HTTP, and what makes clients find it."""
    link = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{link.getsockname()[1]}"
    bootstrap(cloud.db, PASSWORD, url, "RegionOne", Passwords(1024, 1, 1))
    # One thread: on an inline bus whoever asks also does the work.
    server = WaitressServer(create_app(cloud.conf, cloud.client), link, 1, MIB * 8)
    server.start()
    yield {
        "OS_AUTH_URL": f"{url}/identity/v3", "OS_USERNAME": "admin", "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": "RegionOne",
    }  # fmt: skip
    server.stop(1)


@pytest.fixture
def novalite(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Novalite:
    """Runs a command line; answers exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)

    def command(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


def read(novalite: Novalite, *words: str) -> Any:
    """The JSON of a command that must succeed."""
    status, out, err = novalite(*words, "-f", "json")
    assert status == 0, err
    return json.loads(out)


def test_where_servers_go_and_would_go(novalite: Novalite) -> None:
    asked = ("schedule", "--dry-run", "--flavor", "tiny", "--image", "disk")
    found = read(novalite, *asked, "--count", "2")
    assert (found["count"], found["passed"], found["hosts"][0]["host"]) == (2, 1, "alpha")
    status, out, _ = novalite(*asked, "--hint", "query=[\"<\", \"$servers\", 0]")
    assert status == 0 and "of this kind, 1 asked for" in out and "alpha" in out
    assert novalite("schedule", "--flavor", "tiny", "--image", "disk")[0] == 2
    assert novalite(*asked, "--zone", "moon")[0] == 1
    read(novalite, "server", "create", "why", "--flavor", "tiny", "--image", "disk", "--wait")
    assert read(novalite, "server", "explain", "why")["host"] == "alpha"
    out = novalite("server", "explain", "why")[1]
    assert "| placed" in out and "alpha" in out
    novalite("server", "delete", "why", "--wait")


def test_a_server_from_create_to_delete(novalite: Novalite) -> None:
    words = ("--flavor", "tiny", "--image", "disk", "--property", "a=b", "--config-drive", "--wait")
    made = read(novalite, "server", "create", "web", *words)
    assert (made["status"], made["power"], made["metadata"]) == ("ACTIVE", "running", {"a": "b"})
    assert [row["name"] for row in read(novalite, "server", "list", "--name", "^web$")] == ["web"]
    for verb, status in (
        ("stop", "SHUTOFF"), ("start", "ACTIVE"), ("pause", "PAUSED"), ("unpause", "ACTIVE"),
        ("suspend", "SUSPENDED"), ("resume", "ACTIVE"), ("reboot", "ACTIVE"),
    ):  # fmt: skip
        assert novalite("server", verb, "web", "--wait")[0] == 0, verb
        assert read(novalite, "server", "show", "web")["status"] == status, verb
    assert novalite("server", "reboot", "--hard", "web", "--wait")[0] == 0
    assert "guest_start" in novalite("server", "show", "web", "--actions")[1]
    assert novalite("server", "log", "web")[1].startswith("SeaBIOS")
    (line,) = novalite("server", "log", "web", "--lines", "1")[1].splitlines()
    assert line.startswith("novalite-guest: up source=config-drive")
    status, _, said = novalite("server", "delete", "web", "--wait")
    assert (status, "1 server deleted." in said) == (0, True), said
    assert read(novalite, "server", "list") == []


def test_a_server_with_networks(novalite: Novalite) -> None:
    words = ("--flavor", "tiny", "--image", "disk", "--wait")
    asked = ("--network", "private", "--port", "plug", "--security-group", "default")
    made = read(novalite, "server", "create", "web", *words, *asked)
    assert len(made["addresses"]["private"]) == 2
    assert len(read(novalite, "server", "create", "one", *words, "--network", "auto")["addresses"]["private"]) == 1
    assert read(novalite, "server", "create", "none", *words)["addresses"] == {}
    for more, sentence in (("auto", "auto stands alone"), ("nowhere", "There is no network named")):
        status, _, said = novalite("server", "create", "x", *words, "--network", "private", "--network", more)
        assert (status != 0, sentence in said) == (True, True), said
    assert novalite("server", "delete", "web", "one", "none", "--wait")[0] == 0


def test_several_servers_at_once(novalite: Novalite) -> None:
    assert novalite("server", "create", "pool", "--flavor", "tiny", "--image", "disk", "--count", "2", "--wait")[0] == 0
    assert {row["name"] for row in read(novalite, "server", "list")} == {"pool-1", "pool-2"}
    assert len(read(novalite, "server", "list", "--limit", "1")) == 1
    assert novalite("server", "delete", "pool-1", "pool-2", "--wait")[0] == 0


def test_flavors_and_images(novalite: Novalite, tmp_path: Path) -> None:
    made = read(novalite, "flavor", "create", "big", "--ram", "256", "--vcpus", "2", "--disk", "3")
    assert read(novalite, "flavor", "show", "big")["id"] == made["id"]
    assert {row["name"] for row in read(novalite, "flavor", "list")} == {"tiny", "big"}
    assert novalite("flavor", "delete", "big")[0] == 0
    (tmp_path / "x.raw").write_bytes(bytes(MIB))
    image = read(novalite, "image", "create", "mine", "--file", "x.raw", "--disk-format", "raw")
    assert (image["status"], image["size"]) == ("active", MIB)
    assert read(novalite, "image", "show", "mine")["id"] == image["id"]
    assert {row["name"] for row in read(novalite, "image", "list")} == {"disk", "mine"}
    assert novalite("image", "delete", "mine")[0] == 0


def test_hosts_and_services(novalite: Novalite) -> None:
    (host,) = read(novalite, "host", "list")
    assert (host["host"], host["state"]) == ("alpha", "up")
    assert read(novalite, "host", "show", "alpha")["running_vms"] == 0
    assert novalite("service", "disable", "alpha", "--reason", "dust")[0] == 0
    (compute,) = [row for row in read(novalite, "service", "list") if row["binary"] == "nova-compute"]
    assert (compute["status"], compute["reason"]) == ("disabled", "dust")
    assert novalite("service", "enable", "alpha")[0] == 0
    assert read(novalite, "status")["user"] == "admin"


def test_forms_of_output(novalite: Novalite) -> None:
    assert novalite("flavor", "list", "-f", "value")[1].split()[:2] == ["tiny", "tiny"]
    assert novalite("--format", "value", "flavor", "list")[1] == novalite("flavor", "list", "--format=value")[1]
    assert "| tiny" in novalite("flavor", "list")[1]
    assert "complete" in novalite("completion", "bash")[1]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("server", "show", "nope"), 1, "There is no server named or identified by 'nope'."),
        (("server", "create", "x", "--flavor", "nope", "--image", "disk"), 1, "There is no flavor named"),
        (("server", "create", "x", "--flavor", "tiny", "--image", "nope"), 1, "There is no image named"),
        (("server", "create", "x", "--flavor", "tiny", "--image", "disk", "--property", "p"), 2, "not KEY=VALUE"),
        (("server", "create", "x" * 256, "--flavor", "tiny", "--image", "disk"), 1, "at most 255 characters"),
        (("server", "list", "--status", "FOO"), 1, "Invalid status value: FOO (HTTP 400)"),
        (("server", "delete", "nope"), 1, "There is no server named"),
        (("host", "show", "nope"), 1, "nope"),
        (("service", "disable", "nope"), 1, "nope"),
        (("flavor", "list", "-f", "yaml"), 2, "yaml"),
        (("frobnicate",), 2, "No such command 'frobnicate'"),
        (("--cloud", "nowhere", "server", "list"), 1, "Cloud nowhere was not found"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    novalite: Novalite, words: tuple[str, ...], status: int, sentence: str
) -> None:
    found, out, err = novalite(*words)
    assert (found, out, sentence in err) == (status, "", True), err
    assert "Traceback" not in err


def test_without_credentials_it_says_how_to_get_some(novalite: Novalite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    status, _, err = novalite("server", "list")
    assert (status, "requires authentication" in err) == (1, True), err
    monkeypatch.delenv("OS_AUTH_URL")
    status, _, err = novalite("server", "list")
    assert (status, "Start a cloud with `novalite up`" in err) == (1, True), err
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:1/v3")
    status, _, err = novalite("server", "list")
    assert (status, err.count("\n"), "127.0.0.1:1" in err) == (1, 1, True), err
