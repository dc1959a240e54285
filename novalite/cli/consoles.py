"""`novalite server console` and `novalite server log`: see a guest, type into it, read what it said."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from novalite.cli.client import Session


@click.command("console")
@click.argument("server")
@click.option("-i", "--interactive", is_flag=True, help="Type into the serial console, here in this terminal.")
@click.option("--serial", is_flag=True, help="Print the URL of the serial console, not that of the screen.")
@click.pass_obj
def console(session: Session, server: str, interactive: bool, serial: bool) -> None:
    """Print a URL that shows the screen of SERVER in a browser, or be its terminal.

    Whoever has the URL has the console, until it expires or the server is stopped, moved or deleted.
    """
    from novalite.cli import terminal

    if interactive and not terminal.is_one():
        raise click.ClickException(
            "--interactive needs a terminal on standard input and output; `novalite server log --follow` does not."
        )
    compute = session.cloud.compute
    found = session.find("server", compute.find_server, server)
    url = _url(compute, found, "serial" if serial or interactive else "novnc")
    if not interactive:
        click.echo(url)
        return
    click.echo(f"The serial console of {found.name}. {terminal.HOW_TO_LEAVE}", err=True)
    if not terminal.attach(url):
        raise click.ClickException("The console was closed: the server may have been stopped, or somebody else has it.")


def _url(compute: Any, found: Any, kind: str) -> str:
    from openstack.exceptions import ConflictException

    try:
        made = compute.create_console(found, kind, {"novnc": "vnc"}.get(kind, kind))
    except ConflictException as error:
        state = f"it is {found.status}" + (f", {found.task_state}" if found.task_state else "")
        raise click.ClickException(f"{found.name} has no console now: its guest must run, but {state}.") from error
    return str(made["url"])


@click.command("log")
@click.argument("server")
@click.option("--lines", type=click.IntRange(1), help="Only the last so many lines.")
@click.option("--follow", is_flag=True, help="Go on printing what is new until Ctrl-C.")
@click.pass_obj
def log(session: Session, server: str, lines: int | None, follow: bool) -> None:
    """Print what the serial console of SERVER has said."""
    compute = session.cloud.compute
    found = session.find("server", compute.find_server, server)
    # The API counts what stands behind the last line end, usually nothing, as a line.
    text = compute.get_server_console_output(found.id, length=lines and lines + 1)["output"]
    click.echo(text, nl=not text.endswith("\n"))
    while follow:
        time.sleep(1)
        longer = compute.get_server_console_output(found.id)["output"]
        seen = longer.rfind(text[-2000:]) + len(text[-2000:]) if text else 0
        click.echo(longer[seen:] if seen <= len(longer) else longer, nl=False)
        sys.stdout.flush()
        text = longer or text
