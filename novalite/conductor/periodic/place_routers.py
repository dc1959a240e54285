"""Routers whose host is dead, disabled, or can no longer carry them are carried by another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.networks import changes
from novalite.conductor.networks.pretended import pretend
from novalite.context import Context
from novalite.db.networks import placing
from novalite.objects.host_networks import ANY


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
        self._down_after = self._at = 0.0

    def every(self) -> float:
        own = self.env.conf.networks
        return float(own.place_routers_interval) if own.service == "embedded" else 0

    def run(self, ctx: Context) -> Placed:
        """A router stays where it is while nobody else can carry it, and is DOWN if its host is: that may come back."""
        self._down_after, self._at = self.env.conf.service_down_time, self.env.tasks.now()
        with self.env.db.read() as session:
            there = placing.willing(session, self._down_after, self._at)
            found = placing.homeless(session, there)
            outside = {one["external_network_id"] for one in found}
            able = {one: placing.able(session, there, one) for one in outside}
            pretended = placing.carrying(session, [host for host, physical in there.items() if ANY in physical])
        for host in pretended:
            self.env.db.run(partial(pretend, host=host))
        moved = 0
        for one in found:
            if able[one["external_network_id"]]:
                moved += self._move(ctx, one["id"])
            elif one["status"] != "DOWN":
                self.env.db.run(partial(self._lose, router_id=one["id"]))
        return Placed(len(found), moved)

    def _move(self, ctx: Context, router_id: str) -> bool:
        def work(session: Session) -> tuple[set[str], set[str]]:
            told = placing.place(session, router_id, placing.willing(session, self._down_after, self._at))
            return told, placing.networks_of(session, router_id) if told else set()

        told, networks = self.env.db.run(work)
        changes.changed(self.env, ctx, told, networks)
        return bool(told)

    def _lose(self, session: Session, router_id: str) -> bool:
        return placing.lost(session, router_id, self._down_after, self._at)
