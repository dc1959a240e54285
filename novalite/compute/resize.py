"""A host's part in a resize: a row per verb. The guest is off from `resize_power_off` to `resize_start`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oslo_config import cfg

from novalite.compute import power
from novalite.compute.reporting import Outcome
from novalite.compute.virt.driver import Driver, Resizes
from novalite.errors import DriverUnsupported, GuestNotFound
from novalite.objects.flavors import Flavor
from novalite.objects.servers import GuestSpec, HostWork
from novalite.states import PowerState

SLOW = "resize_disks"
"""The verb that takes as long as disks are large; it gives way to a deletion between its sub-steps."""


@dataclass(frozen=True)
class _Order:
    """One piece of work, read."""

    driver: Driver
    resizes: Resizes
    spec: GuestSpec
    migration: str
    old: Flavor
    start: bool
    patience: float
    """Seconds that the guest is given to shut down by itself."""


def _power_off(order: _Order) -> None:
    order.driver.stop_guest(order.spec, order.patience)


def _disks(order: _Order) -> None:
    order.resizes.grow_disks(order.spec, order.old, order.migration)


def _start(order: _Order) -> None:
    order.resizes.redefine_guest(order.spec, order.start)


def _put_back(order: _Order) -> None:
    """The new guest is of no more use, so it is not asked to shut down."""
    if order.driver.power_state(order.spec.id) not in (PowerState.NOSTATE, PowerState.SHUTDOWN):
        order.driver.stop_guest(order.spec, 0)
    order.resizes.put_disks_back(order.spec, order.migration)
    order.resizes.redefine_guest(order.spec, order.start)


def _confirm(order: _Order) -> None:
    if order.driver.power_state(order.spec.id) is PowerState.NOSTATE:
        raise GuestNotFound(server_id=order.spec.id)
    order.resizes.drop_old_disks(order.spec, order.migration)


VERBS: dict[str, Callable[[_Order], None]] = {
    "resize_power_off": _power_off,
    "resize_disks": _disks,
    "resize_start": _start,
    "resize_put_back": _put_back,
    "resize_confirm": _confirm,
}
"""What each verb of the contract does; done twice, each ends the same."""


def perform(
    driver: Driver, conf: cfg.ConfigOpts, work: HostWork, outcome: Outcome, check: Callable[[], None]
) -> None:
    """Do the verb; the outcome carries the power state seen afterwards, also when the verb failed."""
    act = VERBS.get(work.verb)
    if act is None or not isinstance(driver, Resizes):
        raise DriverUnsupported(what="resizing" if act else f"the action {work.verb}")
    params = work.params
    order = _Order(
        driver, driver, work.server, str(params["migration"]), Flavor(**params["old_flavor"]),
        bool(params["start"]), power.patience(conf, work),
    )  # fmt: skip
    check()
    outcome.step(work.verb)
    try:
        act(order)
    finally:
        outcome.power_state = power.seen(driver, work.server.id)
