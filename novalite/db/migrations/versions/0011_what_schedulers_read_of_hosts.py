"""what schedulers read of hosts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import JsonText

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """what schedulers read of hosts."""
    for name in ("supported_instances", "physical_networks", "cached_images", "metrics"):
        op.add_column("hosts", sa.Column(name, JsonText, nullable=True))
    for name in ("bandwidth_mbps", "failed_builds"):
        op.add_column("hosts", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("hosts") as hosts:
        for name in ("failed_builds", "bandwidth_mbps", "metrics", "cached_images"):
            hosts.drop_column(name)
        hosts.drop_column("physical_networks")
        hosts.drop_column("supported_instances")
