"""what aggregates need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import JsonText, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """what aggregates need."""
    op.create_table(
        "image_requests",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("look_at", sa.Double(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("host", "image_id", name=op.f("pk_image_requests")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("image_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_requests_look_at"), ["look_at"], unique=False)

    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("aggregates", JsonText(), nullable=True))



def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("aggregates")

    with op.batch_alter_table("image_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_requests_look_at"))

    op.drop_table("image_requests")
