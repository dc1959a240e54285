"""`novalite host …`"""

from __future__ import annotations

from typing import Any

import click

from novalite.cli.client import Session

COLUMNS = ("host", "state", "status", "vcpus", "ram MB", "disk GB", "servers")
LAST_WITH_NUMBERS = "2.87"
"""Later microversions leave the resource numbers out (Compute API history, 2.88)."""


@click.group()
def host() -> None:
    """Hypervisor hosts."""


def _hypervisors(session: Session) -> list[dict[str, Any]]:
    answer = session.cloud.compute.get("/os-hypervisors/detail", microversion=LAST_WITH_NUMBERS)
    answer.raise_for_status()
    return list(answer.json()["hypervisors"])


def _used(one: dict[str, Any], used: str, total: str) -> str:
    return f"{one.get(used, 0)} of {one.get(total, 0)}"


@host.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List hosts with what servers use of them (administrators)."""
    rows = [
        [one["hypervisor_hostname"], one["state"], one["status"], _used(one, "vcpus_used", "vcpus"),
         _used(one, "memory_mb_used", "memory_mb"), _used(one, "local_gb_used", "local_gb"), one["running_vms"]]
        for one in _hypervisors(session)
    ]  # fmt: skip
    session.output.rows(COLUMNS, rows)


@host.command("show")
@click.argument("host")
@click.pass_obj
def show(session: Session, host: str) -> None:
    """Show one HOST."""
    for one in _hypervisors(session):
        if host in (one["hypervisor_hostname"], one["id"], one["service"]["host"]):
            session.output.record({k: v for k, v in one.items() if k not in ("cpu_info", "servers")})
            return
    raise click.ClickException(f"There is no host named {host!r}.")
