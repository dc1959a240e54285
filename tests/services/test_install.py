"""Install scripts and units: what is written, who may read it, and that asking twice is harmless."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from novalite.conf import load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SCRIPTS = ["install-deps", "install-controller", "install-compute", "install-common", "demo", "cloud"]
BUS = "rabbit://novalite:secret@controller:5672/novalite"


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DEPLOY / script, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("script", [*SCRIPTS, "guest/build-guest-image"])
def test_shell_scripts_parse(script: str) -> None:
    assert subprocess.run(["sh", "-n", DEPLOY / script]).returncode == 0


@pytest.mark.parametrize("script", ["install-deps", "install-controller", "install-compute"])
def test_help_is_shown_and_unknown_options_are_refused(script: str) -> None:
    assert f"deploy/{script}" in run(script, "--help").stdout
    assert run(script, "--nonsense").returncode != 0


def test_a_compute_host_gets_no_database(tmp_path: Path) -> None:
    done = run("install-compute", "--stage", str(tmp_path), "--transport-url", BUS, "--host", "rack1")
    assert done.returncode == 0, done.stderr
    config = tmp_path / "etc/novalite/compute.conf"
    assert "host = rack1" in config.read_text()
    assert "database" not in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o640
    refused = run("install-compute", "--dry-run", "--transport-url", BUS, "--db-url", "sqlite:///x")
    assert refused.returncode != 0
    assert "no database" in refused.stderr


def test_only_the_conductor_is_told_the_database(tmp_path: Path) -> None:
    url = "postgresql+psycopg://novalite:secret@db/novalite"
    done = run("install-controller", "--stage", str(tmp_path), "--transport-url", BUS, "--db-url", url)
    assert done.returncode == 0, done.stderr
    told = [path.name for path in (tmp_path / "etc/novalite").iterdir() if url in path.read_text()]
    assert told == ["conductor.conf"]


def test_a_second_run_keeps_what_the_operator_changed(tmp_path: Path) -> None:
    words = ("install-controller", "--stage", str(tmp_path), "--transport-url", BUS)
    assert run(*words).returncode == 0
    before = {path: path.read_text() for path in (tmp_path / "etc/novalite").iterdir()}
    config = tmp_path / "etc/novalite/api.conf"
    config.write_text("# mine\n")
    assert run(*words).returncode == 0
    assert config.read_text() == "# mine\n"
    assert run(*words, "--reconfigure").returncode == 0
    assert config.read_text() == before[config]
    assert (tmp_path / "etc/novalite/api.conf.old").read_text() == "# mine\n"
    openrc = tmp_path / "etc/novalite/admin-openrc"
    assert openrc.read_text() == before[openrc]


def test_dry_run_writes_nothing_and_hides_passwords() -> None:
    done = run("install-controller", "--dry-run", "--transport-url", BUS, "--admin-password", "topsecret")
    assert done.returncode == 0, done.stderr
    assert "useradd" in done.stdout or "novalite" in done.stdout
    assert "topsecret" not in done.stdout and ":secret@" not in done.stdout
    assert "|   secret = ***" in done.stdout


def test_conductors_and_metadata_services_share_a_secret_that_no_compute_host_is_told(tmp_path: Path) -> None:
    words = ("install-controller", "--stage", str(tmp_path), "--transport-url", BUS)
    assert run(*words).returncode == 0
    folder = tmp_path / "etc/novalite"
    secret = (folder / "metadata-secret").read_text().strip()
    told = {path.name for path in folder.iterdir() if f"secret = {secret}" in path.read_text()}
    assert len(secret) == 36 and told == {"conductor.conf", "metadata.conf"}
    assert run(*words, "--reconfigure").returncode == 0
    assert (folder / "metadata-secret").read_text().strip() == secret
    assert run("install-compute", "--stage", str(tmp_path), "--transport-url", BUS).returncode == 0
    assert secret not in (folder / "compute.conf").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("install-controller", "--dry-run", "--db-url", "postgres://x"), "postgresql+psycopg://"),
        (("install-controller", "--dry-run", "--port", "http"), "a number"),
        (("install-controller", "--dry-run", "--console-url", "console"), "--console-url"),
        (("install-compute", "--dry-run"), "--transport-url is needed"),
        (("install-compute", "--dry-run", "--transport-url", "amqp://x"), "rabbit://"),
        (("install-compute", "--dry-run", "--transport-url", BUS, "--virt-type", "xen"), "auto, kvm or qemu"),
    ],
)
def test_wrong_options_get_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = run(*words)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_give_a_daemon_longer_than_it_takes_to_end(unit: Path) -> None:
    lines = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    assert lines["Type"] == "notify"
    assert float(lines["TimeoutStopSec"]) > load.for_tests().graceful_shutdown_timeout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_units_are_accepted_by_systemd(tmp_path: Path) -> None:
    for unit in UNITS:
        # The programs are not installed here; any existing one will do for the check.
        text = unit.read_text().replace(f"/opt/novalite/bin/{unit.stem}", "/usr/bin/env")
        (tmp_path / unit.name).write_text(text)
    words = ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_expose_little(unit: Path) -> None:
    # systemd's own scale from 0 (safe) to 100; compute needs devices, networks and others' files.
    limit = 50 if unit.stem == "novalite-compute" else 20
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={limit}", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-500:]
