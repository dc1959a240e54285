"""Server groups."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.rpc.contracts.base import Contract, call


class ServerGroups(Contract, topic="conductor", namespace="server_groups", version="1.0"):
    """Group records: uuid, name, project_id, user_id, policy, rules, members (server ids), created_at.

    A group of another project is ServerGroupNotFound for callers without all-project sight.
    """

    @call()
    def page(
        self, ctx: Context, every_project: bool = False, limit: int = 1000, offset: int = 0
    ) -> list[Record]:
        """Groups of the caller's project, or of every project, oldest first."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, group_id: str) -> Record:
        """One."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, name: str, policy: str, rules: dict[str, int]) -> Record:
        """OverQuota over server_groups."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, group_id: str) -> None:
        """Its servers stay, and are no longer held together or apart."""
        raise NotImplementedError
