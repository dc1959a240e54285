"""Resizes that nobody confirmed or reverted within [DEFAULT] resize_confirm_window are confirmed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from novalite.conductor import periodic
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import server_migrations
from novalite.db.models.base import now


class ConfirmResizes:
    """A resize whose confirmation fails is tried again after another window."""

    name = "confirm_resizes"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        """Off while the window is."""
        conf = self.env.conf
        return float(conf.resize_confirm_poll_interval) if conf.resize_confirm_window else 0.0

    def run(self, ctx: Context) -> int:
        """Answers how many confirmations were begun."""
        window = self.env.conf.resize_confirm_window
        if not window:
            return 0
        before = now() - timedelta(seconds=window)
        with self.env.db.read() as session:
            found = server_migrations.long_unconfirmed(session, before)
        return sum(self._confirm(ctx, server_id, before) for server_id in found)

    def _confirm(self, ctx: Context, server_id: str, before: datetime) -> bool:
        """Unless it was reverted, and resized anew, since it was found."""

        def still(session: Session) -> bool:
            return bool(server_migrations.long_unconfirmed(session, before, server_id))

        return periodic.begin(self.env, ctx, server_id, "confirm_resize", still)
