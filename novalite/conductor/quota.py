"""Count and check inside the creating transaction: nothing is reserved, so nothing can leak."""

from __future__ import annotations

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.conf.quota import DEFAULTS
from novalite.db import quotas
from novalite.errors import OverQuota

UNLIMITED = -1


def effective(
    session: Session, conf: ConfigOpts, project_id: str, user_id: str | None = None
) -> dict[str, int]:
    """The limits that hold: the user's, else the project's, else the class default's, else configured."""
    stored = quotas.limits(session, (project_id, quotas.CLASS_DEFAULT))
    own = quotas.limits(session, (project_id,), user_id) if user_id else {}
    found = {}
    for name in DEFAULTS:
        default = stored.get((quotas.CLASS_DEFAULT, name), conf.quota[name])
        found[name] = own.get((project_id, name), stored.get((project_id, name), default))
    return found


def check(session: Session, conf: ConfigOpts, project_id: str | None, deltas: dict[str, int]) -> None:
    """Raise OverQuota when `deltas` (instances, cores, ram) would exceed a limit of the project.

    Transactions of one project follow one another from here to their end, so the count is exact.
    """
    project = project_id or ""
    quotas.lock(session, project)
    limits = effective(session, conf, project)
    used = quotas.in_use(session, project)
    over = [n for n, more in deltas.items() if limits[n] != UNLIMITED and more and used[n] + more > limits[n]]
    if over:
        raise OverQuota(
            resources=", ".join(over),
            requested=", ".join(str(deltas[n]) for n in over),
            used=", ".join(str(used[n]) for n in over),
            allowed=", ".join(str(limits[n]) for n in over),
        )


def check_metadata(session: Session, conf: ConfigOpts, project_id: str | None, count: int) -> None:
    """Raise OverQuota for more metadata items on one server than allowed."""
    if not count:
        return
    limit = effective(session, conf, project_id or "")["metadata_items"]
    if limit != UNLIMITED and count > limit:
        raise OverQuota(f"Maximum number of metadata items exceeds {limit}")
