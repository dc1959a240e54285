"""Give a guest new disks, or start it from a rescue disk."""

from __future__ import annotations

from collections.abc import Callable

from oslo_config import cfg

from novalite.compute.build import Bench, base_of, progress_of
from novalite.compute.power import patience, seen
from novalite.compute.reporting import Outcome
from novalite.compute.virt.driver import REPLACE_ROOT, Rebuilds, Rescues, able
from novalite.errors import DriverError
from novalite.objects.servers import HostWork


def rebuild(bench: Bench, work: HostWork, outcome: Outcome, check: Callable[[], None]) -> None:
    """New disks from the image of the work's spec. A failure's facts tell whether the old ones are gone."""
    driver = able(bench.driver, Rebuilds, "rebuild")
    spec, params = work.server, work.params
    noted = progress_of(outcome, check)

    def progress(step: str) -> None:
        noted(step)
        if step == REPLACE_ROOT:
            outcome.facts["replaced"] = True

    try:
        check()
        with base_of(bench, spec, outcome, check) as base:
            keep, start = bool(params.get("keep_ephemeral")), bool(params.get("start", True))
            driver.rebuild_guest(spec, base, keep, start, progress)
        bench.unfinished.forget(spec.id)
    finally:
        outcome.power_state = seen(bench.driver, spec.id)


def rescue(
    bench: Bench, conf: cfg.ConfigOpts, work: HostWork, outcome: Outcome, check: Callable[[], None]
) -> None:
    """Start the guest from a disk of its rescue image, which need not fit the flavor."""
    driver = able(bench.driver, Rescues, "rescue")
    spec = work.server
    if spec.rescue is None or spec.rescue.image is None:
        raise DriverError(reason=f"it was not said from which image guest {spec.id} is to be rescued")
    try:
        check()
        progress = progress_of(outcome, check)
        if not bench.driver.needs_images:
            driver.rescue_guest(spec, None, patience(conf, work), progress)
            return
        outcome.step("image_cache")
        with bench.cache.using(spec.rescue.image, check) as base:
            driver.rescue_guest(spec, base, patience(conf, work), progress)
    finally:
        outcome.power_state = seen(bench.driver, spec.id)
