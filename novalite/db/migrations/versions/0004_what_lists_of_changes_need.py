"""what lists of changes need."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """what lists of changes need: every server has changed at some moment, if only when it was made."""
    op.execute("UPDATE servers SET updated_at = created_at WHERE updated_at IS NULL")
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_servers_project_id_updated_at"), ["project_id", "updated_at"], unique=False
        )


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_servers_project_id_updated_at"))
