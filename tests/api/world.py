"""A cloud with one of each thing, and what it holds: so it can be seen that a refused request left nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from novalite.db.models.base import Base
from tests.cloud import Cloud
from tests.disks import qcow2
from tests.rest import MIB, Rest, sentence

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6JBrHZbhkK8n8mbLJVS5VJh4wcRZHTsyDN2TVE4yXr ada@example"
GIB = 1 << 30
ABSENT = "00000000-0000-4000-8000-00000000ffff"
LIMITS = {"instances": 2, "cores": 4, "ram": 300, "key_pairs": 1, "metadata_items": 2}
"""Of the project `poor`."""
_PASSING = ("services", "hosts", "quota_locks", "identity_keys", "identity_revocations")
"""Tables that change by themselves, or by being asked. What hosts give is checked by the invariants."""


class World:
    """`names` are words that requests may use in braces: ids of what there is."""

    def __init__(self, folder: Path, kind: type[Cloud] = Cloud) -> None:
        self.folder = folder
        self.cloud = kind(folder, hosts=("alpha", "beta"))
        self.cloud.__enter__()
        self.admin, self.member = self.cloud.rest("admin"), self.cloud.rest()
        self.stranger, self.poor = self.cloud.rest("stranger"), self.cloud.rest("poor")
        self._flavors()
        self.names = {"absent": ABSENT, **self._images(), **self._servers()}

    def close(self) -> None:
        """Let go of files."""
        self.cloud.__exit__()

    def caller(self, name: str) -> Rest:
        """admin, member, stranger, poor, or nobody, who has no token."""
        if name == "nobody":
            return Rest(self.member.http, None)
        found: Rest = getattr(self, name)
        return found

    def fill(self, value: Any) -> Any:
        """`value` with names in braces replaced."""
        if isinstance(value, str):
            for name, meant in self.names.items():
                value = value.replace("{" + name + "}", meant)
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def holds(self) -> dict[str, Any]:
        """Every row, file and guest."""
        tables = [t for t in Base.metadata.sorted_tables if t.name not in _PASSING]
        with self.cloud.db.read() as session:
            rows = {t.name: [tuple(row) for row in session.execute(select(t))] for t in tables}
        files = [p for p in self.folder.rglob("*") if p.is_file() and not p.name.startswith("novalite.db")]
        return {
            **{name: sorted(map(repr, found)) for name, found in rows.items()},
            "files": sorted(str(path) for path in files),
            "guests": {host: self.cloud.driver(host).guests() for host in self.cloud.host_names},
        }

    def _flavors(self) -> None:
        self.admin.flavor("wide", vcpus=8)
        self.admin.flavor("fat", ram=512)
        self.admin.flavor("private", **{"os-flavor-access:is_public": False})
        body = {"quota_set": LIMITS}
        reply = self.admin("PUT", f"/os-quota-sets/{self.poor.project_id}", body)
        assert reply.status_code == 200, reply.text
        for owner in (self.member, self.poor):
            owner.made("/os-keypairs", {"keypair": {"name": "key", "public_key": KEY, "type": "ssh"}})

    def _images(self) -> dict[str, str]:
        member = self.member
        made = {
            "image": member.image(),
            "queued": member.image(None),
            "deep_disk": member.image(qcow2(virtual=3 * GIB), disk_format="qcow2"),
            "min_disk": member.image(min_disk=5),
            "min_ram": member.image(min_ram=4096),
            "deactivated": member.image(),
            "deleted_image": member.image(),
            "large": member.image(),
            "foreign_image": self.stranger.image(),
            "poors_image": self.poor.image(),
        }
        reply = self.admin("POST", f"/image/v2/images/{made['deactivated']}/actions/deactivate")
        assert reply.status_code == 204, reply.text
        assert member.delete(f"/image/v2/images/{made['deleted_image']}").status_code == 204
        with self.cloud.db.begin() as session:  # as an upload of 2 GiB would leave it
            images = Base.metadata.tables["images"]
            session.execute(images.update().where(images.c.id == made["large"]).values(size=2048 * MIB))
        return made

    def _servers(self) -> dict[str, str]:
        image = str(self.member.get("/image/v2/images?sort=created_at:asc")["images"][0]["id"])
        made = {"server": self.member.boot("web", imageRef=image, metadata={"a": "b"}),
                "gone": self.member.boot("gone", imageRef=image)}  # fmt: skip
        assert self.member.delete(f"/servers/{made['gone']}").status_code == 204
        actions = self.member.get(f"/servers/{made['server']}/os-instance-actions")["instanceActions"]
        return {**made, "request": actions[0]["request_id"], "project": self.member.project_id}


def refused(world: World, status: int, words: str, request: Callable[[], Any]) -> Any:
    """The request is answered with that status and one sentence with those words; nothing changed."""
    before = world.holds()
    with world.cloud.bus.recording() as sent:
        reply = request()
    said = sentence(reply)
    assert (reply.status_code, words in said) == (status, True), (reply.status_code, said)
    assert one_sentence(said), said
    after = world.holds()
    assert after == before, {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    assert [e.name for e in sent if e.kind.value == "cast"] == [], "nobody was woken"
    return reply


def one_sentence(text: str) -> bool:
    """Something to read out: no trace, no line breaks, not endless."""
    return 0 < len(text) < 400 and "\n" not in text and not any(
        word in text for word in ("Traceback", "sqlite3", "SELECT", "INSERT", "object at 0x", "pydantic")
    )  # fmt: skip


def new(**changes: Any) -> Any:
    """The body of POST /servers; a change to None leaves the field out."""
    server = {"name": "x", "flavorRef": "tiny", "imageRef": "{image}", "networks": "none", **changes}
    return {"server": {key: value for key, value in server.items() if value is not None}}


def keypair(**changes: Any) -> Any:
    """The body of POST /os-keypairs."""
    return {"keypair": {"name": "new", "type": "ssh", "public_key": KEY, **changes}}


def flavor(**changes: Any) -> Any:
    """The body of POST /flavors."""
    return {"flavor": {"name": "new", "id": "new", "vcpus": 1, "ram": 64, "disk": 1, **changes}}
