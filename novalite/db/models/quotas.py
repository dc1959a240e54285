"""Tables of quotas: limits of projects and users, the defaults, and one lock row per project."""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import Base


class Quota(Base):
    """A limit of its own. `project_id` "" is the quota class `default`; `user_id` "" the whole project."""

    __tablename__ = "quotas"

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    resource: Mapped[str] = mapped_column(String(64), primary_key=True)
    hard_limit: Mapped[int] = mapped_column(BigInteger)


class QuotaLock(Base):
    """The row that transactions counting one project's use lock, so that they follow one another."""

    __tablename__ = "quota_locks"

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
