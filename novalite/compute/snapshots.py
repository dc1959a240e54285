"""Make an image of a server and send it to the image service.

Files are made in `instances_path/_snapshots/<host>/<server id>`, which is gone when the work is over, however it
ended. What a killed daemon left is removed when it starts again; the work itself is asked for again by the conductor.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oslo_config import cfg

from novalite.compute import image_upload
from novalite.compute.reporting import Outcome, Reporter
from novalite.compute.virt.driver import Driver, Snapshots
from novalite.context import Context
from novalite.errors import DriverError, DriverUnsupported, NovaliteError
from novalite.objects.images import ImageTarget
from novalite.objects.servers import HostWork

LOG = logging.getLogger(__name__)


class Snapshotter:
    """The images made on one host."""

    def __init__(self, conf: cfg.ConfigOpts, driver: Driver, reporter: Reporter) -> None:
        self.conf, self.driver, self.reporter = conf, driver, reporter
        self.path = Path(conf.compute.instances_path) / "_snapshots" / reporter.host

    def take(self, ctx: Context, work: HostWork, outcome: Outcome, check: Callable[[], None]) -> None:
        """Make the image that `work.params` speaks of, and send it. `check` may raise to give it up."""
        driver, spec = self.driver, work.server
        if not isinstance(driver, Snapshots):
            raise DriverUnsupported(what="images of its guests")
        target = ImageTarget(**work.params["image"])
        pending, uploading = work.params["states"]
        try:
            with self._folder(driver, spec.id) as folder:
                made = folder / "image"
                outcome.step("snapshot")
                self.reporter.progressed(ctx, work, pending)
                driver.snapshot(spec, made, target.disk_format, lambda: self._go_on(folder, check))
                outcome.step("upload")
                self.reporter.progressed(ctx, work, uploading)
                sent = image_upload.upload(target, made, self._limits(), check)
                outcome.facts = {} if sent is None else sent.facts()
        finally:
            with suppress(NovaliteError):
                outcome.power_state = driver.power_state(spec.id)

    def clean_up(self) -> None:
        """Remove what an earlier life of this daemon left; call before any work is taken on."""
        for folder in self.path.glob("*"):
            LOG.warning("The snapshot of server %s was interrupted; what is left of it is removed", folder.name)
            try:
                if isinstance(self.driver, Snapshots):
                    self.driver.forget_snapshot(folder.name)
                shutil.rmtree(folder)
            except (NovaliteError, OSError, ValueError) as error:
                LOG.error("What is left of the snapshot of server %s could not be removed: %s",
                          folder.name, error)

    def _limits(self) -> image_upload.Limits:
        options = self.conf.compute
        return image_upload.Limits(
            seconds=options.image_upload_timeout, write_seconds=options.image_read_timeout,
            attempts=options.image_upload_attempts, ca_file=options.image_ca_file,
        )  # fmt: skip

    @contextmanager
    def _folder(self, driver: Snapshots, server_id: str) -> Iterator[Path]:
        """An empty folder, through which a hypervisor of another user can pass."""
        folder = self.path / server_id
        try:
            if folder.exists():
                driver.forget_snapshot(server_id)
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            for one in (folder, self.path, self.path.parent):
                one.chmod(0o711)
        except OSError as error:
            raise DriverError(reason=f"no files can be made in {folder}: {error.strerror}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _go_on(self, folder: Path, check: Callable[[], None]) -> None:
        check()
        free, keep = shutil.disk_usage(folder).free, self.conf.compute.image_min_free_mb << 20
        if free < keep:
            raise DriverError(
                reason=f"{folder.parent} has {free >> 20} MB free, and an image leaves {keep >> 20} MB"
            )
