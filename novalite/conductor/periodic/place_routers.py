"""Routers whose host is dead, disabled, or can no longer carry them are carried by another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.networks import changes
from novalite.context import Context
from novalite.db.networks import placing


@dataclass(frozen=True)
class Placed:
    """How many routers were where they cannot stay, and how many of them are elsewhere now."""

    found: int
    moved: int


class PlaceRouters:
    """Where the cloud has networks of its own."""

    name = "place_routers"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        own = self.env.conf.networks
        return float(own.place_routers_interval) if own.service == "embedded" else 0

    def run(self, ctx: Context) -> Placed:
        """A router stays where it is while nobody else can carry it: its host may come back."""
        down_after, at = self.env.conf.service_down_time, self.env.tasks.now()
        with self.env.db.read() as session:
            there = placing.willing(session, down_after, at)
            found = placing.homeless(session, there) if there else []

        def work(session: Session, router_id: str) -> tuple[set[str], set[str]]:
            told = placing.place(session, router_id, placing.willing(session, down_after, at))
            return told, placing.networks_of(session, router_id) if told else set()

        moved = 0
        for router_id in found:
            told, networks = self.env.db.run(partial(work, router_id=router_id))
            moved += bool(told)
            changes.changed(self.env, ctx, told, networks)
        return Placed(len(found), moved)
