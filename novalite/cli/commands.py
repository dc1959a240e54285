"""The command tree, its options and what becomes of errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import click

from novalite import __version__
from novalite.cli import consoles, flavors, hosts, images, placement, servers, services, status
from novalite.cli.client import Session
from novalite.cli.output import FORMATS, Output

SHELLS = ("bash", "zsh", "fish")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--cloud", envvar="OS_CLOUD", metavar="NAME", help="Entry of clouds.yaml [default: novalite].")
@click.option("-f", "--format", "form", type=click.Choice(FORMATS), default="table", help="How to print.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only results.")
@click.version_option(__version__, prog_name="novalite")
@click.pass_context
def cli(ctx: click.Context, cloud: str | None, form: str, quiet: bool) -> None:
    """Talk to a novalite cloud, or start one with `novalite up`.

    Credentials come from clouds.yaml (also those of `make demo` and `make cloud`) or from OS_* variables.
    """
    ctx.obj = Session(cloud, Output(form, quiet))


@cli.command("up", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def up(args: tuple[str, ...]) -> None:
    """Start a whole cloud in this process; `novalite up --help` tells more."""
    from novalite.cmd.all_in_one import main

    sys.exit(main(list(args)))


@cli.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what a shell needs to complete commands: `source <(novalite completion bash)`."""
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    assert maker is not None
    click.echo(maker(cli, {}, "novalite", "_NOVALITE_COMPLETE").source())


for group in (servers.server, flavors.flavor, images.image, hosts.host, services.service, status.status):
    cli.add_command(group)
for command in (consoles.console, consoles.log, placement.explain):
    servers.server.add_command(command)
cli.add_command(placement.schedule)


def _formats_first(args: Sequence[str]) -> list[str]:
    """-f and --format may stand anywhere: people add them to the end of what they just typed."""
    words = list(args)
    moved: list[str] = []
    end = words.index("--") if "--" in words else len(words)
    for at in range(end - 1, -1, -1):
        if words[at] in ("-f", "--format") and at + 1 < end:
            moved = words[at : at + 2] + moved
            del words[at : at + 2]
        elif words[at].startswith("--format="):
            moved = [words.pop(at), *moved]
    return moved + words


def run(args: Sequence[str]) -> int:
    """Run one command line; errors of the cloud become one sentence on stderr."""
    # What a client library wants to warn of comes again as the error.
    logging.getLogger("keystoneauth").setLevel(logging.ERROR)
    try:
        result = cli.main(args=_formats_first(args), prog_name="novalite", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 1
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        click.echo(f"Error: {sentence}", err=True)
        return 1


def _sentence(error: Exception) -> str | None:
    """What the cloud said, in its own words; None for an error that is ours."""
    module = type(error).__module__
    if not module.startswith(("openstack", "keystoneauth1")):
        return None
    details = getattr(error, "details", None) or getattr(error, "message", None) or str(error)
    status_code = getattr(error, "status_code", None)
    return f"{details} (HTTP {status_code})" if status_code else str(details)
