"""Server groups: records and quota, and what placing a server needs to know of its group.

Who is where is read when a host is chosen, and read again, with the group locked, by the transaction that
claims one: two members that are placed at the same moment cannot break the rule of their group.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import server_groups
from novalite.errors import BadRequest, Forbidden, ServerGroupNotFound
from novalite.objects.base import Record
from novalite.objects.scheduling import GroupRequest
from novalite.rpc.contracts.server_groups import ServerGroups


def _scope(ctx: Context) -> str | None:
    return None if ctx.sees_all_projects else ctx.project_id or ""


class ServerGroupsEndpoint(ServerGroups):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(
        self, ctx: Context, every_project: bool = False, limit: int = 1000, offset: int = 0
    ) -> list[Record]:
        project = None if every_project and ctx.sees_all_projects else ctx.project_id or ""
        with self.env.db.read() as session:
            return server_groups.page(session, project, limit, offset)

    def show(self, ctx: Context, group_id: str) -> Record:
        with self.env.db.read() as session:
            return server_groups.get(session, group_id, _scope(ctx))

    def create(self, ctx: Context, name: str, policy: str, rules: dict[str, int]) -> Record:
        if ctx.project_id is None or ctx.user_id is None:
            raise Forbidden("A server group belongs to a project and a user, and this token is not for both.")
        owner = {"project_id": ctx.project_id, "user_id": ctx.user_id}

        def work(session: Session) -> Record:
            quota.check_server_groups(session, self.env.conf, **owner)
            values = {"name": name, "policy": policy, "rules": rules, **owner}
            return server_groups.get(session, server_groups.create(session, values))

        return self.env.db.run(work)

    def delete(self, ctx: Context, group_id: str) -> None:
        def work(session: Session) -> None:
            if server_groups.find(session, group_id, _scope(ctx), lock=True) is None:
                raise ServerGroupNotFound(group_id=group_id)
            server_groups.remove(session, group_id)

        self.env.db.run(work)


# --- for placing servers -----------------------------------------------------------------------


def group_of(hints: Record | None) -> str | None:
    """The group that the hints of a server name."""
    found = (hints or {}).get("group")
    return str(found) if found else None


def admit(session: Session, env: Env, ctx: Context, hints: Record, server_ids: list[str]) -> None:
    """Put new servers into the group their hints name, in the transaction that creates them.

    BadRequest for a group that does not exist, OverQuota over server_group_members.
    """
    group_id = group_of(hints)
    if group_id is None:
        return
    if server_groups.find(session, group_id, _scope(ctx), lock=True) is None:
        raise BadRequest(ServerGroupNotFound(group_id=group_id).sentence)
    have = server_groups.size(session, group_id)
    quota.check_group_members(session, env.conf, ctx.project_id, ctx.user_id, have, len(server_ids))
    server_groups.join(session, group_id, server_ids)


def placement(
    session: Session, server_id: str, hints: Record | None, lock: bool = False
) -> GroupRequest | None:
    """What a server's group asks of the host it is to be placed on; None without a group, for no statement.

    `lock`: for the transaction that claims a host, so that members are placed one after the other.
    """
    group_id = group_of(hints)
    group = server_groups.find(session, group_id, lock=lock) if group_id else None
    if group is None:
        return None
    hosts = server_groups.hosts(session, group["uuid"], apart_from=[server_id])
    most = int(group["rules"].get("max_server_per_host", 1))
    return GroupRequest(policy=group["policy"], max_per_host=most, hosts=hosts)
