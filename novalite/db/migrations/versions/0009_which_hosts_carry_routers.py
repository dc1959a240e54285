"""which hosts carry routers, and that none of them says yet that it does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import JsonText

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """which hosts carry routers, and that none of them says yet that it does."""
    with op.batch_alter_table("network_hosts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("physical_networks", JsonText(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("carries_routers", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE routers SET status = 'DOWN'")
    op.execute("UPDATE floating_ips SET status = 'DOWN'")
    op.execute("UPDATE ports SET status = 'DOWN' WHERE device_owner LIKE 'network:router_%'")


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("network_hosts", schema=None) as batch_op:
        batch_op.drop_column("carries_routers")
        batch_op.drop_column("physical_networks")
