"""`novalite image …`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from novalite.cli.client import Session

COLUMNS = ("id", "name", "status", "format", "size", "visibility")


@click.group()
def image() -> None:
    """Disk images."""


def _row(found: Any) -> list[Any]:
    return [found.id, found.name, found.status, found.disk_format, found.size, found.visibility]


@image.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List images."""
    session.output.rows(COLUMNS, [_row(one) for one in session.cloud.image.images()])


@image.command("show")
@click.argument("image")
@click.pass_obj
def show(session: Session, image: str) -> None:
    """Show one IMAGE."""
    found = session.find("image", session.cloud.image.find_image, image)
    record = dict(zip(COLUMNS, _row(found), strict=True))
    more = {"checksum": found.checksum, "min disk": found.min_disk, "min ram": found.min_ram,
            "owner": found.owner_id, "created": found.created_at}  # fmt: skip
    session.output.record({**record, **more})


@image.command("create")
@click.argument("name")
@click.option("--file", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--disk-format", default="qcow2", show_default=True, type=click.Choice(("qcow2", "raw", "iso", "vmdk"))
)
@click.option("--public", is_flag=True, help="For every project (administrators).")
@click.pass_obj
def create(session: Session, name: str, path: Path, disk_format: str, public: bool) -> None:
    """Upload a file as an image called NAME."""
    size = path.stat().st_size
    session.output.say(f"Uploading {path} ({size / 1e6:.1f} MB)…")
    cloud = session.cloud
    made = cloud.image.create_image(
        name, container_format="bare", disk_format=disk_format, visibility="public" if public else "private"
    )
    try:
        with path.open("rb") as data:
            made.data = data
            made.upload(cloud.image)
    except Exception:
        cloud.image.delete_image(made.id)
        raise
    found = cloud.image.get_image(made.id)
    if found.status != "active":
        raise click.ClickException(f"Image {name} was not accepted; its status is {found.status}.")
    session.output.record(dict(zip(COLUMNS, _row(found), strict=True)))


@image.command("delete")
@click.argument("images", nargs=-1, required=True)
@click.pass_obj
def delete(session: Session, images: tuple[str, ...]) -> None:
    """Delete IMAGES."""
    service = session.cloud.image
    for found in [session.find("image", service.find_image, one) for one in images]:
        service.delete_image(found.id)
