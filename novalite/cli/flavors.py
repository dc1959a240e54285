"""`novalite flavor …`"""

from __future__ import annotations

from typing import Any

import click

from novalite.cli.client import Session

COLUMNS = ("id", "name", "vcpus", "ram", "disk", "ephemeral", "swap", "public")


@click.group()
def flavor() -> None:
    """Sizes of servers."""


def _row(found: Any) -> list[Any]:
    return [found.id, found.name, found.vcpus, found.ram, found.disk, found.ephemeral, found.swap or 0,
            found.is_public]  # fmt: skip


@flavor.command("list")
@click.option("--all", "everything", is_flag=True, help="Also private ones (administrators).")
@click.pass_obj
def list_(session: Session, everything: bool) -> None:
    """List flavors."""
    query = {"is_public": "None"} if everything else {}
    found = session.cloud.compute.flavors(details=True, **query)
    session.output.rows(COLUMNS, [_row(one) for one in found])


@flavor.command("show")
@click.argument("flavor")
@click.pass_obj
def show(session: Session, flavor: str) -> None:
    """Show one FLAVOR."""
    found = session.find("flavor", session.cloud.compute.find_flavor, flavor)
    record = dict(zip(COLUMNS, _row(found), strict=True))
    session.output.record({**record, "extra specs": dict(found.extra_specs or {})})


@flavor.command("create")
@click.argument("name")
@click.option("--vcpus", default=1, show_default=True, type=click.IntRange(1))
@click.option("--ram", default=512, show_default=True, type=click.IntRange(1), help="MB.")
@click.option(
    "--disk", default=1, show_default=True, type=click.IntRange(0), help="GB; 0: as large as the image."
)
@click.option("--ephemeral", default=0, show_default=True, type=click.IntRange(0), help="GB.")
@click.option("--swap", default=0, show_default=True, type=click.IntRange(0), help="MB.")
@click.option("--id", "flavor_id", default="auto", show_default=True)
@click.option("--private", is_flag=True, help="Only for projects that are given access.")
@click.pass_obj
def create(session: Session, name: str, private: bool, flavor_id: str, **sizes: int) -> None:
    """Create a flavor called NAME (administrators)."""
    made = session.cloud.create_flavor(name, flavorid=flavor_id, is_public=not private, **sizes)
    session.output.record(dict(zip(COLUMNS, _row(made), strict=True)))


@flavor.command("delete")
@click.argument("flavors", nargs=-1, required=True)
@click.pass_obj
def delete(session: Session, flavors: tuple[str, ...]) -> None:
    """Delete FLAVORS; servers keep the size they have."""
    compute = session.cloud.compute
    for found in [session.find("flavor", compute.find_flavor, one) for one in flavors]:
        compute.delete_flavor(found.id)
