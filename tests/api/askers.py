"""Those who ask nonsense, and how they are let in again when what was asked rightly shut them out.

An administrator's nonsense is sense now and then: it deletes or disables the very user, project or domain
of somebody who asks, or gives the user another password. Then the tokens must be void, and at no other time;
both are checked after every change of identity, against the rows themselves.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from novalite.db.models.identity import Assignment, Domain, Project, User
from tests.api.world import World
from tests.cloud import PASSWORD
from tests.rest import Rest

_TABLES: tuple[Any, ...] = tuple(model.__table__ for model in (Domain, Project, User, Assignment))


class Askers:
    """The administrator and the member of a world. `voided` are the requests that shut one of them out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.passwords = {world.admin: PASSWORD, world.member: "member"}
        self.kept = {asker: self._rows(asker) for asker in self.passwords}
        self.voided: list[str] = []

    def after(self, method: str, path: str, status: int) -> None:
        """A request was answered. Raises AssertionError when a token is void without need, or good in spite
        of what was done."""
        if not path.startswith("/identity/") or method in ("GET", "HEAD") or status >= 400:
            return
        for asker in self.passwords:
            reason = self._shut_out(asker)
            assert self._heard(asker) == (reason is None), (method, path, reason)
            if reason is not None:
                self.voided.append(f"{method} {path}: {reason}")
                self._put_back()
        for asker, password in self.passwords.items():
            if not self._heard(asker):
                self._log_in(asker, password)

    def _heard(self, asker: Rest) -> bool:
        """Whether the token opens something. Needs no role."""
        reply = asker("GET", "/servers?limit=1")
        assert reply.status_code in (200, 401), reply.text
        return reply.status_code == 200

    def _rows(self, asker: Rest) -> dict[Any, list[dict[str, Any]]]:
        """What the asker's token hangs on, by table."""
        ids = ("default", asker.project_id, asker.user_id)
        with self.world.cloud.db.read() as session:
            return {
                table: [dict(row) for row in session.execute(
                    select(table).where(table.c["actor_id" if table is _TABLES[-1] else "id"].in_(ids))
                ).mappings()]
                for table in _TABLES
            }  # fmt: skip

    def _shut_out(self, asker: Rest) -> str | None:
        """Why the asker's tokens must be void, by the rows as they are."""
        now = self._rows(asker)
        for table, kept in self.kept[asker].items():
            if table is _TABLES[-1]:
                if any(row not in now[table] for row in kept):
                    return "the role was taken"
                continue
            found = {row["id"]: row for row in now[table]}
            for row in kept:
                new = found.get(row["id"])
                if new is None or not new["enabled"]:
                    return f"no enabled row {row['id']} in {table.name}"
                if new.get("password_hash") != row.get("password_hash"):
                    return "another password"
        return None

    def _put_back(self) -> None:
        """The rows of all askers as they were."""
        with self.world.cloud.db.begin() as session:
            for kept in self.kept.values():
                for table, rows in kept.items():
                    for row in rows:
                        same = [column == row[column.name] for column in table.primary_key]
                        session.execute(delete(table).where(*same))
                        session.execute(insert(table), [row])

    def _log_in(self, asker: Rest, password: str) -> None:
        who = {"user": {"id": asker.user_id, "password": password}}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": who},
                "scope": {"project": {"id": asker.project_id}},
            }
        }
        reply = Rest(asker.http, None).post("/identity/v3/auth/tokens", body)
        assert reply.status_code == 201, reply.text
        asker.token = reply.headers["X-Subject-Token"]
