"""Server groups and who is in them. A deleted server leaves its group; a group knows only servers that are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.base import iso
from novalite.db.models.compute import Allocation, Server, new_id
from novalite.db.models.server_groups import ServerGroup, ServerGroupMember
from novalite.errors import ServerGroupNotFound
from novalite.objects.base import Record

_COLUMNS = [
    ServerGroup.uuid, ServerGroup.name, ServerGroup.project_id, ServerGroup.user_id, ServerGroup.policy,
    ServerGroup.rules, ServerGroup.created_at,
]  # fmt: skip
_KEYS = [column.key for column in _COLUMNS]
_MEMBERS = (
    select(ServerGroupMember.group_id, ServerGroupMember.server_id)
    .join(Server, Server.id == ServerGroupMember.server_id)
    .where(Server.deleted.is_(False))
    .order_by(Server.number)
)


def create(session: Session, values: Record) -> str:
    """A new group; answers its uuid."""
    uuid = new_id()
    session.execute(insert(ServerGroup).values(uuid=uuid, **values))
    return uuid


def page(session: Session, project_id: str | None, limit: int, offset: int = 0) -> list[Record]:
    """Groups with their members, oldest first; `project_id` None: of every project. Two statements."""
    query = select(*_COLUMNS).order_by(ServerGroup.id).limit(limit).offset(offset)
    if project_id is not None:
        query = query.where(ServerGroup.project_id == project_id)
    records = [_record(row) for row in session.execute(query)]
    by_id = {record["uuid"]: record for record in records}
    if by_id:
        for group_id, server_id in session.execute(_MEMBERS.where(ServerGroupMember.group_id.in_(by_id))):
            by_id[group_id]["members"].append(server_id)
    return records


def get(session: Session, uuid: str, project_id: str | None = None) -> Record:
    """One group with its members; `project_id` limits to that project. Raises ServerGroupNotFound."""
    record = find(session, uuid, project_id)
    if record is None:
        raise ServerGroupNotFound(group_id=uuid)
    rows = session.execute(_MEMBERS.where(ServerGroupMember.group_id == uuid))
    record["members"] = [row[1] for row in rows]
    return record


def find(session: Session, uuid: str, project_id: str | None = None, lock: bool = False) -> Record | None:
    """One group without its members, or None; `lock` keeps others who lock it waiting until the end."""
    query = select(*_COLUMNS).where(ServerGroup.uuid == uuid)
    if project_id is not None:
        query = query.where(ServerGroup.project_id == project_id)
    row = session.execute(query.with_for_update() if lock else query).first()
    return _record(row) if row else None


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    return {
        **record,
        "rules": record["rules"] or {},
        "created_at": iso(record["created_at"]),
        "members": [],
    }


def remove(session: Session, uuid: str) -> None:
    """Delete a group; its servers stay."""
    session.execute(delete(ServerGroupMember).where(ServerGroupMember.group_id == uuid))
    session.execute(delete(ServerGroup).where(ServerGroup.uuid == uuid))


def count(session: Session, project_id: str, user_id: str | None = None) -> int:
    """Groups of a project, or of one user in it."""
    query = select(func.count()).where(ServerGroup.project_id == project_id)
    if user_id is not None:
        query = query.where(ServerGroup.user_id == user_id)
    return int(session.execute(query).scalar_one())


# --- members -----------------------------------------------------------------------------------


def size(session: Session, uuid: str) -> int:
    """How many servers are in a group."""
    query = select(func.count()).where(ServerGroupMember.group_id == uuid)
    return int(session.execute(query).scalar_one())


def join(session: Session, uuid: str, server_ids: Sequence[str]) -> None:
    """Put servers into a group."""
    session.execute(insert(ServerGroupMember), [{"group_id": uuid, "server_id": one} for one in server_ids])


def leave(session: Session, server_id: str) -> None:
    """The server is in no group any more."""
    session.execute(delete(ServerGroupMember).where(ServerGroupMember.server_id == server_id))


def of_server(session: Session, server_id: str) -> list[str]:
    """Groups the server is in."""
    query = select(ServerGroupMember.group_id).where(ServerGroupMember.server_id == server_id)
    return list(session.scalars(query))


def hosts(session: Session, uuid: str, apart_from: Iterable[str] = ()) -> dict[str, int]:
    """How many members hold a claim on each host; those in `apart_from` are not counted.

    A server that is being resized also counts where it may go back to. Two statements.
    """
    left_out = set(apart_from)
    rows = session.execute(
        select(Server.id, Server.migration_id)
        .join(ServerGroupMember, ServerGroupMember.server_id == Server.id)
        .where(ServerGroupMember.group_id == uuid, Server.deleted.is_(False))
    )
    owners = {owner: row[0] for row in rows if row[0] not in left_out for owner in row if owner}
    if not owners:
        return {}
    claims = select(Allocation.host, Allocation.server_id).where(Allocation.server_id.in_(owners))
    found: dict[str, set[str]] = {}
    for host, owner in session.execute(claims):
        found.setdefault(host, set()).add(owners[owner])
    return {host: len(members) for host, members in found.items()}
