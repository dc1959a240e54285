"""where hosts are reached by the packets of networks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """where hosts are reached by the packets of networks."""
    op.create_table(
        "network_hosts",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("said_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_network_hosts")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("network_hosts")
