"""SQL of server groups, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from novalite.db import server_groups, servers
from novalite.db.models.compute import Allocation
from novalite.db.session import Database
from novalite.errors import ServerGroupNotFound
from tests.contract.db.rows import a_server


def a_group(session: Session, **changes: Any) -> str:
    """A group of project p-1."""
    values = {"name": "g", "policy": "anti-affinity", "project_id": "p-1", "user_id": "u-1"}
    return server_groups.create(session, {**values, **changes})


def a_member(session: Session, group: str, host: str | None = None, **changes: Any) -> str:
    """A server in it, with a claim on a host."""
    row = a_server(host=host, **changes)
    servers.create(session, [row])
    server_groups.join(session, group, [row["id"]])
    if host:
        claim(session, row["id"], host)
    return str(row["id"])


def claim(session: Session, owner: str, host: str) -> None:
    """A claim, without its effect on the host."""
    session.execute(insert(Allocation).values(server_id=owner, host=host, vcpus=1, ram_mb=1, disk_gb=1))


def test_records_and_pages(db: Database) -> None:
    with db.begin() as session:
        first, second = a_group(session, name="ä"), a_group(session, rules={"max_server_per_host": 2})
        third = a_group(session, project_id="p-2")
        members = [a_member(session, second) for _ in range(2)]
        found = server_groups.get(session, second)
        assert (found["rules"], found["members"]) == ({"max_server_per_host": 2}, members)
        assert server_groups.get(session, first, "p-1")["name"] == "ä"
        with pytest.raises(ServerGroupNotFound):
            server_groups.get(session, third, "p-1")
        assert server_groups.find(session, third, "p-1", lock=True) is None

        def page(project: str | None, limit: int, offset: int = 0) -> list[str]:
            return [record["uuid"] for record in server_groups.page(session, project, limit, offset)]

        assert (page("p-1", 9), page(None, 9), page(None, 1, 1), page("p-3", 9)) == (
            [first, second], [first, second, third], [second], [],
        )  # fmt: skip
        assert server_groups.page(session, "p-1", 9)[1]["members"] == members
        assert (server_groups.count(session, "p-1"), server_groups.count(session, "p-1", "u-2")) == (2, 0)
        server_groups.remove(session, second)
        assert server_groups.of_server(session, members[0]) == []


def test_members_and_where_they_are(db: Database) -> None:
    with db.begin() as session:
        group = a_group(session)
        here = a_member(session, group, "alpha")
        moving = a_member(session, group, "alpha", migration_id="m-1")
        claim(session, moving, "beta")
        claim(session, "m-1", "gamma")
        a_member(session, group)  # on no host yet
        claim(session, "somebody else", "alpha")
        assert server_groups.hosts(session, group) == {"alpha": 2, "beta": 1, "gamma": 1}
        assert server_groups.hosts(session, group, [moving]) == {"alpha": 1}
        assert server_groups.size(session, group) == 3
        server_groups.leave(session, here)
        assert server_groups.of_server(session, here) == []
        assert server_groups.size(session, group) == 2
        assert server_groups.hosts(session, a_group(session)) == {}
