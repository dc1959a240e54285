"""Flavors over RPC."""

from __future__ import annotations

import re
from typing import Any

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import flavors
from novalite.db.models.flavors import Flavor
from novalite.errors import BadRequest, Conflict
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Flavors


class FlavorsEndpoint(Flavors):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(
        self,
        ctx: Context,
        is_public: bool | None = True,
        min_disk_gb: int | None = None,
        min_ram_mb: int | None = None,
        name: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
        sort_key: str = "flavorid",
        sort_dir: str = "asc",
    ) -> list[Record]:
        if sort_key not in flavors.SORT_KEYS:
            raise BadRequest(f"Flavors cannot be sorted by {sort_key}.")
        where: list[Any] = []
        if min_disk_gb is not None:
            where.append(Flavor.disk_gb >= min_disk_gb)
        if min_ram_mb is not None:
            where.append(Flavor.ram_mb >= min_ram_mb)
        if name is not None:
            where.append(Flavor.name.regexp_match(_regex(name)))
        with self.env.db.read() as session:
            return flavors.page(
                session, ctx, is_public, where, limit, marker, sort_key, descending=sort_dir == "desc"
            )

    def show(self, ctx: Context, flavor_id: str) -> Record:
        with self.env.db.read() as session:
            return flavors.get(session, ctx, flavor_id)

    def create(self, ctx: Context, flavor: Record) -> Record:
        self.env.db.run(lambda session: flavors.create(session, flavor))
        return self.show(ctx, flavor["flavor_id"])

    def update(self, ctx: Context, flavor_id: str, description: str | None) -> Record:
        self.env.db.run(lambda session: flavors.change(session, flavor_id, description=description))
        return self.show(ctx, flavor_id)

    def delete(self, ctx: Context, flavor_id: str) -> None:
        self.env.db.run(lambda session: flavors.remove(session, flavor_id))

    def set_extra_specs(self, ctx: Context, flavor_id: str, specs: dict[str, str]) -> dict[str, str]:
        self.env.db.run(lambda session: flavors.set_extra_specs(session, flavor_id, specs))
        return specs

    def delete_extra_spec(self, ctx: Context, flavor_id: str, key: str) -> None:
        self.env.db.run(lambda session: flavors.delete_extra_spec(session, flavor_id, key))

    def access(self, ctx: Context, flavor_id: str) -> list[str]:
        with self.env.db.read() as session:
            return flavors.access(session, flavor_id)

    def add_access(self, ctx: Context, flavor_id: str, project_id: str) -> list[str]:
        def work(session: Any) -> list[str]:
            if flavors.is_public(session, flavor_id):
                raise Conflict("Can not add access to a public flavor.")
            flavors.add_access(session, flavor_id, project_id)
            return flavors.access(session, flavor_id)

        return self.env.db.run(work)

    def remove_access(self, ctx: Context, flavor_id: str, project_id: str) -> list[str]:
        def work(session: Any) -> list[str]:
            if flavors.is_public(session, flavor_id):
                raise Conflict("Can not remove access from a public flavor.")
            flavors.remove_access(session, flavor_id, project_id)
            return flavors.access(session, flavor_id)

        return self.env.db.run(work)


def _regex(text: str) -> str:
    """The text as a regular expression, or as itself when it is none."""
    try:
        re.compile(text)
    except re.error:
        return re.escape(text)
    return text
