"""Build a guest, or make sure that it is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from novalite.compute.image_cache import ImageCache
from novalite.compute.reporting import Outcome
from novalite.compute.unfinished import Unfinished
from novalite.compute.virt.driver import BaseImage, Driver
from novalite.errors import (
    DriverError,
    DriverUnavailable,
    FlavorDiskTooSmall,
    ImageDownloadFailed,
    NetworksNotReady,
)
from novalite.objects.servers import GuestSpec
from novalite.states import PowerState

LOG = logging.getLogger(__name__)
GIB = 1 << 30


@dataclass
class Tally:
    """Builds that failed since the last one that did not, by this host's own fault as far as can be told."""

    failed: int = 0

    def note(self, error: Exception | None) -> None:
        """How a build ended. What is wrong with an image is not the host's fault, nor is a build given up."""
        if error is None:
            self.failed = 0
        elif isinstance(error, DriverError | DriverUnavailable | ImageDownloadFailed | NetworksNotReady | OSError):
            self.failed += 1


@dataclass(frozen=True)
class Bench:
    """What a host builds with."""

    driver: Driver
    cache: ImageCache
    unfinished: Unfinished
    tally: Tally = field(default_factory=Tally)


def spawn(
    bench: Bench, spec: GuestSpec, outcome: Outcome, check: Callable[[], None], fresh: bool = False
) -> None:
    """Image, disks, guest, started. A guest that already runs is success; a failure leaves nothing.

    `check` is called between sub-steps and may raise to give the build up. `fresh`: the server comes from another
    host, so a guest of it that runs here is a stranger left from before, and DriverError is raised.
    """
    driver = bench.driver
    if driver.power_state(spec.id) is PowerState.RUNNING:  # asked again: its image may be gone by now
        if fresh:
            raise DriverError(reason=f"a guest of server {spec.id} runs here already")
        bench.unfinished.forget(spec.id)
        outcome.power_state = PowerState.RUNNING
        return
    try:
        check()
        with _noted(bench, spec), base_of(bench, spec, outcome, check) as base:
            driver.spawn(spec, base, progress_of(outcome, check))
        outcome.power_state = driver.power_state(spec.id)
        bench.tally.note(None)
    except Exception as error:
        bench.tally.note(error)
        _clean(bench, spec)
        outcome.power_state = PowerState.NOSTATE
        raise


def _noted(bench: Bench, spec: GuestSpec) -> AbstractContextManager[None]:
    """Drivers without disks leave nothing that would need a note."""
    return bench.unfinished.building(spec) if bench.driver.needs_images else nullcontext()


@contextmanager
def base_of(
    bench: Bench, spec: GuestSpec, outcome: Outcome, check: Callable[[], None]
) -> Iterator[BaseImage | None]:
    """The cached image of `spec`, which fits its flavor; None where there is none or none is needed."""
    if not bench.driver.needs_images or spec.image is None:
        yield None
        return
    outcome.step("image_cache")
    with bench.cache.using(spec.image, check) as base:
        fits(base, spec)
        yield base


def fits(base: BaseImage, spec: GuestSpec) -> None:
    """Raises FlavorDiskTooSmall when the image's disk is larger than the flavor's (0 GB: as the image)."""
    room = spec.flavor.disk_gb * GIB
    if room and base.virtual_size > room:
        raise FlavorDiskTooSmall(flavor_bytes=room, image_bytes=base.virtual_size)


def progress_of(outcome: Outcome, check: Callable[[], None]) -> Callable[[str], None]:
    """Notes the sub-steps of a driver, and stops it between two when `check` raises."""

    def step(name: str) -> None:
        check()
        outcome.step(name)

    return step


def _clean(bench: Bench, spec: GuestSpec) -> None:
    try:
        remove(bench.driver, bench.unfinished, spec)
    except Exception as error:
        LOG.error("What is left of the failed build of server %s could not be removed, "
                  "the next look for forgotten guests tries again: %s", spec.id, error)


def destroy(bench: Bench, spec: GuestSpec, outcome: Outcome) -> None:
    """Guest and disks are gone afterwards; absence is success."""
    outcome.step("destroy")
    remove(bench.driver, bench.unfinished, spec)
    outcome.power_state = PowerState.NOSTATE


def remove(driver: Driver, unfinished: Unfinished, spec: GuestSpec) -> None:
    """Guest and disks are gone, or a note for the next look says that they may not be. Raises what the driver
    raises."""
    try:
        driver.destroy(spec)
    except Exception:
        if driver.needs_images:
            with suppress(OSError):
                unfinished.note(spec)
        raise
    unfinished.forget(spec.id)
