"""What alembic runs for every command, on the connection that db/schema.py hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from novalite.db.models import Base
from novalite.db.models.base import JsonText, UtcDateTime


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Our own column types are written by name, so that a step reads like a model."""
    name = "JsonText()" if isinstance(item, JsonText) else "UtcDateTime" if item is UtcDateTime else None
    if kind != "type" or name is None:
        return False
    autogen.imports.add(f"from novalite.db.models.base import {name.removesuffix('()')}")
    return name


def run() -> None:
    """Configure alembic and do what was asked."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=False,
    )
    context.run_migrations()


run()
