"""Table of usage audits: which host was audited for which period (API reference, os-instance_usage_audit_log)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, UtcDateTime, now


class UsageAudit(Base):
    """The audit of one host for one period. `state`: running or done; `servers` and `errors` are counts."""

    __tablename__ = "usage_audits"
    __table_args__ = (UniqueConstraint("host", "period_beginning", "period_ending"), TABLE)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    host: Mapped[str] = mapped_column(String(255))
    period_beginning: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    period_ending: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(16))
    servers: Mapped[int] = mapped_column(Integer, default=0)
    errors: Mapped[int] = mapped_column(Integer, default=0)
    message: Mapped[str] = mapped_column(String(255), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
