"""What every endpoint and task of a conductor works with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

    from novalite.conductor.commits import Commits
    from novalite.conductor.feed import Feed
    from novalite.conductor.networks.news import News
    from novalite.conductor.placement import Placement
    from novalite.conductor.runner import TaskRunner
    from novalite.db.session import Database
    from novalite.rpc.client import Client


@dataclass
class Env:
    """One per conductor process; handed to constructors, never global.

    `owner` names this very process in task leases, so that a restarted one does not take its
    predecessor's tasks for its own.
    """

    conf: ConfigOpts
    db: Database
    client: Client
    host: str
    owner: str = field(default_factory=lambda: str(uuid.uuid4()))
    images: Any = None
    signer: Any = None
    feed: Feed = None  # type: ignore[assignment]
    news: News = None  # type: ignore[assignment]
    tasks: TaskRunner = None  # type: ignore[assignment]
    placement: Placement = None  # type: ignore[assignment]
    commits: Commits = None  # type: ignore[assignment]
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """What a task needs to know and nobody may write down, by task id: it waits in this process only."""
