"""Images of servers and shelves mean the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.conductor.periodic.offload_shelved import OffloadShelved
from novalite.context import system
from novalite.rpc.bus import Envelope
from tests.flows.harness import check_invariants
from tests.served import ServedCloud


@pytest.fixture
def cloud(cloud_url: str | None, tmp_path: Path) -> Iterator[ServedCloud]:
    """A control plane over a fresh database of each kind, with bytes over HTTP."""
    with ServedCloud(tmp_path, hosts=("alpha", "beta"), url=cloud_url) as made:
        yield made


def test_images_backups_and_shelves(cloud: ServedCloud) -> None:
    server = cloud.boot("web")
    cloud.act(server, "createImage", name="shot", metadata={"colour": "blue ä"})
    for number in range(3):
        cloud.act(server, "createBackup", name=f"b{number}", backup_type="daily", rotation=2)
    assert sorted(cloud.images()) == [("b1", "active"), ("b2", "active"), ("shot", "active")]
    cloud.act(server, "shelve")
    job, conf = OffloadShelved(cloud.alive.manager.env), cloud.alive.manager.env.conf
    conf.set_override("shelved_offload_time", 0)
    try:
        assert job.run(system()) == 1
    finally:
        conf.set_override("shelved_offload_time", -1)
    assert cloud.show(server)["vm_state"] == "shelved_offloaded"
    cloud.act(server, "unshelve")
    assert cloud.show(server)["vm_state"] == "active"
    assert len(cloud.files()) == len(cloud.images()) == 3
    check_invariants(cloud)


def test_what_is_not_whole_is_gone(cloud: ServedCloud) -> None:
    server, asked = cloud.boot("web"), []

    def delete(envelope: Envelope) -> bool:
        if envelope.name == "hosted_servers.progressed" and not asked:
            asked.append(cloud.delete(server))
        return False

    with cloud.bus.lose(delete):
        cloud.act(server, "createImage", name="shot")
        cloud.recover(2)
    assert cloud.show(server)["vm_state"] == "deleted"
    assert (cloud.images(), cloud.files()) == ([], [])
    check_invariants(cloud)
