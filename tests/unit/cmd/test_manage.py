"""novalite-manage as operators call it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from oslo_config import cfg
from sqlalchemy import insert, text

from novalite.api.app import rules
from novalite.cmd import manage
from novalite.conf import load
from novalite.db import hosts, schema, servers
from novalite.db.models.compute import Allocation
from novalite.db.session import Database
from tests.contract.db.rows import a_server, an_inventory


class Operator:
    """Calls novalite-manage with a configuration of its own; answers (exit code, stdout, stderr)."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.conf = folder / "novalite.conf"
        self.conf.write_text(f"[DEFAULT]\nstate_path = {folder}\n")

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = manage.run(["--config-file", str(self.conf), *words])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def sql(self, statement: str) -> None:
        """Change the database behind everybody's back."""
        db = Database(f"sqlite:///{self.folder / 'novalite.db'}")
        with db.begin() as session:
            session.execute(text(statement))
        db.close()


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path, capsys)


def test_from_nothing_to_a_cloud(operator: Operator) -> None:
    code, out, err = operator("db", "version")
    assert (code, out.splitlines()[0], err) == (0, "database: none", "")
    assert operator("db", "sync")[:2] == (0, f"at revision {schema.head()} (before: empty)\n")
    assert operator("db", "sync")[:2] == (0, f"at revision {schema.head()} already\n")
    for _ in range(2):
        code, out, err = operator("bootstrap", "--password", "s", "--public-url", "http://host:8774")
        assert (code, err) == (0, "")
        assert "http://host:8774/identity/v3" in out
    assert operator("db", "check")[:2] == (0, f"The database is sound, at revision {schema.head()}.\n")


def test_places_are_audited_and_healed(operator: Operator) -> None:
    operator("db", "sync")
    assert operator("placement", "audit")[0] == 0
    assert operator("placement", "heal_allocations") == (4, "Every server holds its place.\n", "")
    db = Database(f"sqlite:///{operator.folder / 'novalite.db'}")
    with db.begin() as session:
        hosts.record(session, an_inventory())
        servers.create(session, [a_server(id="s-1", host="alpha")])
        session.execute(insert(Allocation).values(server_id="gone", host="alpha", vcpus=1, ram_mb=1, disk_gb=1))
    db.close()
    code, out, _ = operator("placement", "audit")
    assert code == 3 and "gone holds a place on host alpha for nothing." in out
    out = operator("placement", "heal_allocations", "--dry-run")[1]
    assert out == "Server s-1 is on host alpha and holds nothing of it.\n"
    assert operator("placement", "heal_allocations")[0] == 0
    assert operator("placement", "audit", "--delete")[0] == 4
    assert operator("placement", "audit")[0] == 0
    assert operator("db", "check")[0] == 0


def test_devices_are_listed_with_who_has_them(operator: Operator) -> None:
    operator("db", "sync")
    heads = "HOST  ADDRESS  KIND  DEVICE  CLASS  NUMA  NETWORK  DRIVER  ALIAS  HOLDER\n"
    assert operator("pci", "list")[:2] == (0, heads)
    columns = "host, address, vendor_id, product_id, kind, class_id, trusted, managed, gone, updated_at"
    for values in ("'alpha', '0000:01:00.0', '10de', '1eb8', 'type-PCI', '030200', 0, 1, {gone}, '2026-01-01', 's-1'",
                   "'beta', '0000:02:00.0', '8086', '154d', 'type-PF', '', 0, 1, 0, '2026-01-01', NULL"):
        operator.sql(f"INSERT INTO pci_devices ({columns}, holder) VALUES ({values.format(gone=1)})")
    _, out, _ = operator("pci", "list")
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["alpha", "0000:01:00.0", "type-PCI", "10de:1eb8", "030200", "-", "-", "-", "-", "server", "s-1", "(gone)"],
        ["beta", "0000:02:00.0", "type-PF", "8086:154d", "-", "-", "-", "-", "-", "free"],
    ]
    assert "alpha" not in operator("pci", "list", "--host", "beta")[1]
    part = "'beta', '0000:02:10.0', '8086', '10ed', 'type-VF', '', 0, 1, 0, '2026-01-01', 's-2', '0000:02:00.0'"
    operator.sql(f"INSERT INTO pci_devices ({columns}, holder, parent) VALUES ({part})")
    told = operator("pci", "list", "--host", "beta")[1].splitlines()[1:]
    assert [line.split("-  ")[-1].strip() for line in told] == ["in parts", "server s-2"]
    operator.sql("UPDATE pci_devices SET holder = CASE WHEN kind = 'type-PF' THEN 's-3' END")
    assert operator("pci", "list", "--host", "beta")[1].splitlines()[2].endswith("with its whole")


def test_backup_and_restore(operator: Operator) -> None:
    operator("db", "sync")
    copy = operator.folder / "copy"
    code, out, _ = operator("db", "backup", str(copy))
    assert (code, out) == (0, f"{copy}: {copy.stat().st_size} bytes\n")
    operator("bootstrap", "--password", "s", "--public-url", "http://host")
    code, _, err = operator("db", "restore", str(copy))
    assert (code, err.count("\n")) == (1, 1)
    assert "--force replaces everything" in err
    assert operator("db", "restore", "--force", str(copy))[0] == 0
    assert operator("db", "purge", "--days", "1")[:2] == (0, "0 hosts, 0 servers, 0 tasks deleted\n")


def test_what_check_finds_is_printed(operator: Operator) -> None:
    operator("db", "sync")
    operator.sql("DROP TABLE keypairs")
    code, out, _ = operator("db", "check")
    assert (code, "keypairs" in out) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bootstrap", "--password", "s", "--public-url", "http://x"], "run novalite-manage db sync"),
        (["bootstrap", "--password", "s", "--public-url", "x:8774"], "must begin with http"),
        (["db", "backup", "copy"], "run novalite-manage db sync"),
        (["db", "restore", "/none"], "No such file"),
        (["db", "purge"], "run novalite-manage db sync"),
    ],
)
def test_one_line_tells_what_is_wrong(operator: Operator, words: list[str], sentence: str) -> None:
    code, out, err = operator(*words)
    assert code in (1, 2)
    assert (out, err.count("\n"), sentence in err) == ("", 1, True), err


def test_a_database_that_cannot_be_reached(operator: Operator) -> None:
    operator.conf.write_text("[database]\nconnection = postgresql+psycopg://x@127.0.0.1:1/x\n")
    code, _, err = operator("db", "version")
    assert (code, err.count("\n"), "cannot be reached" in err) == (1, 1, True), err


def test_bad_configuration(operator: Operator) -> None:
    operator.conf.write_text("[DEFAULT]\nreport_interval = often\n")
    code, _, err = operator("db", "version")
    assert (code, err.count("\n"), "report_interval" in err) == (2, 1, True), err
    assert manage.run(["--config-file", "/none", "db", "version"]) == 2


@pytest.mark.parametrize(
    "words", [[], ["db"], ["db", "shout"], ["bootstrap"], ["db", "purge", "--days", "x"]]
)
def test_bad_arguments(operator: Operator, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        operator(*words)
    assert caught.value.code == 2


def test_a_password_from_the_environment_or_stdin(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator("db", "sync")
    monkeypatch.setenv(manage.PASSWORD, "from-the-environment")
    assert operator("bootstrap", "--public-url", "http://x")[0] == 0
    monkeypatch.setenv(manage.PASSWORD, "")
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    code, _, err = operator("bootstrap", "--public-url", "http://x")
    assert (code, "password is empty" in err) == (2, True)


def test_the_sample_configuration_holds_every_option_and_loads(operator: Operator) -> None:
    code, out, _ = operator("config", "sample")
    assert code == 0
    for section in load.sections():
        assert f"[{section.GROUP or 'DEFAULT'}]\n" in out
        for option in section.OPTS:
            assert f"\n#{option.name} =" in out
    sample = operator.folder / "sample.conf"
    sample.write_text(out)
    load.load("test", [str(sample)])
    uncommented = "\n".join(
        line.removeprefix("#") for line in out.splitlines() if not line.startswith("# ") and "<" not in line
    )
    sample.write_text(uncommented)
    assert isinstance(load.load("test", [str(sample)]), cfg.ConfigOpts)


def test_the_sample_policy_holds_every_rule(operator: Operator) -> None:
    code, out, _ = operator("policy", "sample")
    assert code == 0
    found = yaml.safe_load(
        "\n".join(line.removeprefix("#") for line in out.splitlines() if line.startswith('#"'))
    )
    assert found == {rule.name: rule.check for rule in rules()}
