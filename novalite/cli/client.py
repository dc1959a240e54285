"""One connection to the cloud, made when it is first needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from novalite.cli.output import Output

NEARBY = ("clouds.yaml", ".demo/clouds.yaml", ".cloud/clouds.yaml")
"""Where `make demo` and `make cloud` leave credentials, seen from the project's folder."""


class Session:
    """What every command works with: the connection, and where results go."""

    def __init__(self, cloud: str | None, output: Output) -> None:
        self.cloud_name, self.output = cloud, output

    @cached_property
    def cloud(self) -> Any:
        """An openstacksdk Connection. Raises ClickException when no credentials are to be found."""
        import openstack
        from openstack.exceptions import ConfigException

        if not os.environ.get("OS_CLIENT_CONFIG_FILE"):
            for path in map(Path, NEARBY):
                if path.is_file():
                    os.environ["OS_CLIENT_CONFIG_FILE"] = str(path)
                    break
        name = self.cloud_name or (None if os.environ.get("OS_AUTH_URL") else "novalite")
        try:
            return openstack.connect(cloud=name, app_name="novalite")
        except ConfigException as error:
            raise click.ClickException(
                f"{str(error).rstrip('.')}. Start a cloud with `novalite up`, name one with --cloud, "
                "or set OS_AUTH_URL and its kin."
            ) from error

    def find(self, kind: str, finder: Callable[..., Any], name_or_id: str) -> Any:
        """The thing of that name or id, else one clear sentence."""
        found = finder(name_or_id, ignore_missing=True)
        if found is None:
            raise click.ClickException(f"There is no {kind} named or identified by {name_or_id!r}.")
        return found

    def wait(
        self, what: str, look: Callable[[], tuple[str, bool]], timeout: float, interval: float = 0.5
    ) -> None:
        """Call `look` until its second answer is True, showing the first; give up after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self.output.progress(what) as show:
            while True:
                state, done = look()
                show(state)
                if done:
                    return
                if time.monotonic() > deadline:
                    raise click.ClickException(f"{what}: still {state} after {timeout:.0f} seconds.")
                time.sleep(interval)
