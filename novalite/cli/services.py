"""`novalite service …`"""

from __future__ import annotations

from typing import Any

import click

from novalite.cli.client import Session

COLUMNS = ("id", "binary", "host", "zone", "status", "state", "updated", "reason")


@click.group()
def service() -> None:
    """Daemons of the cloud."""


def _row(one: Any) -> list[Any]:
    return [one.id, one.binary, one.host, one.availability_zone, one.status, one.state, one.updated_at,
            one.disabled_reason]  # fmt: skip


def _found(session: Session, host: str, binary: str) -> Any:
    for one in session.cloud.compute.services(host=host, binary=binary):
        return one
    raise click.ClickException(f"There is no {binary} on {host!r}.")


@service.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List daemons and whether they are alive (administrators)."""
    session.output.rows(COLUMNS, [_row(one) for one in session.cloud.compute.services()])


@service.command("enable")
@click.argument("host")
@click.option("--binary", default="nova-compute", show_default=True)
@click.pass_obj
def enable(session: Session, host: str, binary: str) -> None:
    """Let HOST get new servers again."""
    session.cloud.compute.enable_service(_found(session, host, binary).id)


@service.command("disable")
@click.argument("host")
@click.option("--binary", default="nova-compute", show_default=True)
@click.option("--reason", help="Shown in the list.")
@click.pass_obj
def disable(session: Session, host: str, binary: str, reason: str | None) -> None:
    """Give HOST no new servers; those on it stay."""
    session.cloud.compute.disable_service(_found(session, host, binary).id, disabled_reason=reason)
