"""Limits of projects and users, and the rows that make counting and checking one thing."""

from __future__ import annotations

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import Base


class Quota(Base):
    """One limit. `user_id` "" means the whole project, `project_id` "" the default of every project,
    and one that begins with "class:" a quota class of another name, which binds nobody.

    A resource without a row has the limit of the configuration; -1 means no limit.
    """

    __tablename__ = "quotas"

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    resource: Mapped[str] = mapped_column(String(64), primary_key=True)
    hard_limit: Mapped[int] = mapped_column(Integer)


class QuotaLock(Base):
    """Locked while use is counted and added to, so that two racing requests count one after the other.

    `name` is a project id, or `user:` and a user id.
    """

    __tablename__ = "quota_locks"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
