"""what server actions need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import JsonText, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """what server actions need."""
    op.create_table(
        "aggregate_hosts",
        sa.Column("aggregate_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("aggregate_id", "host", name=op.f("pk_aggregate_hosts")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("aggregate_hosts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_aggregate_hosts_host"), ["host"], unique=False)

    op.create_table(
        "aggregates",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aggregates")),
        sa.UniqueConstraint("name", name=op.f("uq_aggregates_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_aggregates_uuid")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "migrations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("migration_type", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("source_host", sa.String(length=255), nullable=True),
        sa.Column("source_node", sa.String(length=255), nullable=True),
        sa.Column("dest_host", sa.String(length=255), nullable=True),
        sa.Column("dest_node", sa.String(length=255), nullable=True),
        sa.Column("dest_ip", sa.String(length=64), nullable=True),
        sa.Column("old_flavor_number", sa.Integer(), nullable=True),
        sa.Column("new_flavor_number", sa.Integer(), nullable=True),
        sa.Column("old_flavor", JsonText(), nullable=True),
        sa.Column("new_flavor", JsonText(), nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("memory_total", sa.BigInteger(), nullable=True),
        sa.Column("memory_processed", sa.BigInteger(), nullable=True),
        sa.Column("memory_remaining", sa.BigInteger(), nullable=True),
        sa.Column("disk_total", sa.BigInteger(), nullable=True),
        sa.Column("disk_processed", sa.BigInteger(), nullable=True),
        sa.Column("disk_remaining", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migrations")),
        sa.UniqueConstraint("uuid", name=op.f("uq_migrations_uuid")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_migrations_dest_host"), ["dest_host"], unique=False)
        batch_op.create_index(batch_op.f("ix_migrations_server_id_id"), ["server_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_migrations_source_host"), ["source_host"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_migrations_status_updated_at"), ["status", "updated_at"], unique=False
        )

    op.create_table(
        "server_group_members",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "server_id", name=op.f("pk_server_group_members")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("server_group_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_server_group_members_server_id"), ["server_id"], unique=False)

    op.create_table(
        "server_groups",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(length=32), nullable=False),
        sa.Column("rules", JsonText(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_groups")),
        sa.UniqueConstraint("uuid", name=op.f("uq_server_groups_uuid")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("server_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_server_groups_project_id_id"), ["project_id", "id"], unique=False
        )

    op.create_table(
        "usage_audits",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("period_beginning", UtcDateTime, nullable=False),
        sa.Column("period_ending", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("servers", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_audits")),
        sa.UniqueConstraint(
            "host",
            "period_beginning",
            "period_ending",
            name=op.f("uq_usage_audits_host_period_beginning_period_ending"),
        ),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_nopad_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("usage_audits", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_usage_audits_period_beginning"), ["period_beginning"], unique=False
        )

    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("state_since", UtcDateTime, nullable=True))
        batch_op.add_column(sa.Column("old_vm_state", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("old_flavor", JsonText(), nullable=True))
        batch_op.add_column(sa.Column("migration_id", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("rescue", JsonText(), nullable=True))
        batch_op.add_column(sa.Column("shelved", JsonText(), nullable=True))
        batch_op.add_column(sa.Column("personality", JsonText(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_servers_vm_state_state_since"), ["vm_state", "state_since"], unique=False
        )
    op.execute("UPDATE servers SET state_since = coalesce(updated_at, created_at)")


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("servers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_servers_vm_state_state_since"))
        batch_op.drop_column("personality")
        batch_op.drop_column("shelved")
        batch_op.drop_column("rescue")
        batch_op.drop_column("migration_id")
        batch_op.drop_column("old_flavor")
        batch_op.drop_column("old_vm_state")
        batch_op.drop_column("state_since")

    with op.batch_alter_table("usage_audits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_usage_audits_period_beginning"))

    op.drop_table("usage_audits")
    with op.batch_alter_table("server_groups", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_server_groups_project_id_id"))

    op.drop_table("server_groups")
    with op.batch_alter_table("server_group_members", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_server_group_members_server_id"))

    op.drop_table("server_group_members")
    with op.batch_alter_table("migrations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_migrations_status_updated_at"))
        batch_op.drop_index(batch_op.f("ix_migrations_source_host"))
        batch_op.drop_index(batch_op.f("ix_migrations_server_id_id"))
        batch_op.drop_index(batch_op.f("ix_migrations_dest_host"))

    op.drop_table("migrations")
    op.drop_table("aggregates")
    with op.batch_alter_table("aggregate_hosts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_aggregate_hosts_host"))

    op.drop_table("aggregate_hosts")
