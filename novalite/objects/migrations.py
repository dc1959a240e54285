"""Migrations: every resize of a server and every move between hosts, with the statuses that clients know."""

from __future__ import annotations

from novalite.objects.base import Message

PRE_MIGRATING = "pre-migrating"
MIGRATING = "migrating"
POST_MIGRATING = "post-migrating"
FINISHED = "finished"
CONFIRMING = "confirming"
CONFIRMED = "confirmed"
REVERTING = "reverting"
REVERTED = "reverted"
FAILED = "error"
DONE = "done"
"""An evacuation has brought its server to another host; there is nothing to confirm."""

UNCONFIRMED = (PRE_MIGRATING, MIGRATING, POST_MIGRATING, FINISHED, CONFIRMING, REVERTING)
"""Statuses of a resize in which it may hold the server's old place."""

COLD = "migration"
EVACUATION = "evacuation"
LIVE = "live-migration"
LIVE_IN_PROGRESS = ("queued", "preparing", "running", POST_MIGRATING)
"""Statuses of a live migration that has not ended."""


class MigrationQuery(Message):
    """One page of migrations, newest first; None: any. `host` is either end of the move; `marker` a uuid."""

    project_id: str | None = None
    user_id: str | None = None
    server_id: str | None = None
    host: str | None = None
    source_host: str | None = None
    status: str | None = None
    migration_type: str | None = None
    hidden: bool | None = None
    changes_since: str | None = None
    changes_before: str | None = None
    limit: int | None = None
    marker: str | None = None
