"""Flavors: open a transaction, ask db/flavors.py, answer records."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import flavors
from novalite.db.models.compute import new_id
from novalite.errors import BadRequest, Conflict, NotFound
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.rpc.contracts.flavors import Flavors


class FlavorsEndpoint(Flavors):
    """See the contract for each method's meaning and errors."""

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
        with self.env.db.read() as session:
            return flavors.page(
                session, ctx, is_public, min_disk_gb, min_ram_mb, name, limit, marker, sort_key, sort_dir
            )

    def show(self, ctx: Context, flavor_id: str) -> Record:
        with self.env.db.read() as session:
            return flavors.get(session, ctx, flavor_id)

    def create(self, ctx: Context, flavor: Record) -> Record:
        given = {**flavor, "flavor_id": flavor.get("flavor_id") or new_id()}
        values: dict[str, Any] = Flavor.model_validate(given).model_dump()

        def work(session: Session) -> Record:
            flavors.create(session, values)
            return flavors.get(session, ctx, values["flavor_id"])

        return self.env.db.run(work)

    def update(self, ctx: Context, flavor_id: str, description: str | None) -> Record:
        def work(session: Session) -> Record:
            flavors.describe(session, flavor_id, description)
            return flavors.get(session, ctx, flavor_id)

        return self.env.db.run(work)

    def delete(self, ctx: Context, flavor_id: str) -> None:
        self.env.db.run(lambda session: flavors.remove(session, flavor_id))

    # --- extra specs

    def set_extra_specs(self, ctx: Context, flavor_id: str, specs: dict[str, str]) -> dict[str, str]:
        self.env.db.run(lambda session: flavors.set_specs(session, flavor_id, specs))
        return specs

    def delete_extra_spec(self, ctx: Context, flavor_id: str, key: str) -> None:
        self.env.db.run(lambda session: flavors.remove_spec(session, flavor_id, key))

    # --- access

    def access(self, ctx: Context, flavor_id: str) -> list[str]:
        with self.env.db.read() as session:
            if flavors.get(session, ctx, flavor_id)["is_public"]:
                raise NotFound("Access list not available for public flavors.")
            return flavors.access(session, flavor_id)

    def add_access(
        self, ctx: Context, flavor_id: str, project_id: str, only_private: bool = False
    ) -> list[str]:
        def work(session: Session) -> list[str]:
            if only_private and flavors.get(session, ctx, flavor_id)["is_public"]:
                raise Conflict("Access cannot be given to a public flavor: every project may use it.")
            flavors.add_access(session, flavor_id, project_id)
            return flavors.access(session, flavor_id)

        return self.env.db.run(work)

    def remove_access(self, ctx: Context, flavor_id: str, project_id: str) -> list[str]:
        def work(session: Session) -> list[str]:
            flavors.remove_access(session, flavor_id, project_id)
            return flavors.access(session, flavor_id)

        return self.env.db.run(work)
