"""what Placement needs: resource providers that are no hosts, consumers, and what operators set of hosts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from novalite.db.models.base import TABLE, JsonText, UtcDateTime

_OPTIONS: Any = TABLE

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _key(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def _table(name: str, *columns: sa.schema.SchemaItem, key: tuple[str, ...], indexes: tuple[str, ...] = ()) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), **_OPTIONS)
    for index in indexes:
        op.create_index(f"ix_{name}_{index}", name, [index], unique=False)


def upgrade() -> None:
    """what Placement needs."""
    op.add_column("hosts", sa.Column("overrides", JsonText(), nullable=True))
    _table(
        "resource_providers",
        _key("uuid", 36), _key("name", 200),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        _key("root_uuid", 36),
        sa.Column("parent_uuid", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("name", name="uq_resource_providers_name"),
        key=("uuid",), indexes=("root_uuid", "parent_uuid"),
    )  # fmt: skip
    numbers = ("total", "reserved", "min_unit", "max_unit", "step_size")
    _table(
        "provider_inventories",
        _key("provider_uuid", 36), _key("resource_class", 255),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        sa.Column("allocation_ratio", sa.Double(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        key=("provider_uuid", "resource_class"), indexes=("resource_class",),
    )  # fmt: skip
    _table("provider_traits", _key("provider_uuid", 36), _key("trait", 255), key=("provider_uuid", "trait"),
           indexes=("trait",))  # fmt: skip
    _table("provider_aggregates", _key("provider_uuid", 36), _key("aggregate_uuid", 36),
           key=("provider_uuid", "aggregate_uuid"), indexes=("aggregate_uuid",))  # fmt: skip
    _table("custom_traits", _key("name", 255), sa.Column("created_at", UtcDateTime, nullable=False), key=("name",))
    _table("custom_resource_classes", _key("name", 255), sa.Column("updated_at", UtcDateTime, nullable=False),
           key=("name",))  # fmt: skip
    _table(
        "consumers",
        _key("uuid", 36), _key("project_id", 255), _key("user_id", 255),
        sa.Column("consumer_type", sa.String(length=255), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        key=("uuid",),
    )  # fmt: skip
    op.create_index("ix_consumers_project_id_user_id", "consumers", ["project_id", "user_id"], unique=False)
    _table(
        "consumer_allocations",
        _key("consumer_uuid", 36), _key("provider_uuid", 36), _key("resource_class", 255),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        key=("consumer_uuid", "provider_uuid", "resource_class"), indexes=("provider_uuid",),
    )  # fmt: skip


def downgrade() -> None:
    """Undo it."""
    for name in (
        "consumer_allocations", "consumers", "custom_resource_classes", "custom_traits", "provider_aggregates",
        "provider_traits", "provider_inventories", "resource_providers",
    ):  # fmt: skip
        op.drop_table(name)
    with op.batch_alter_table("hosts") as hosts:
        hosts.drop_column("overrides")
