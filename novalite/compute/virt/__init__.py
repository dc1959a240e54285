"""Hypervisor drivers, found by name."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from oslo_config import cfg

from novalite.compute.virt.driver import Driver
from novalite.errors import ConfigError

BUILT_IN = {
    "libvirt": "novalite.compute.virt.libvirt.driver:LibvirtDriver",
    "fake": "novalite.compute.virt.fake:FakeDriver",
}
"""Where the drivers that come with novalite are; imported only when chosen."""

ENTRY_POINTS = "novalite.virt_drivers"
"""Entry point group in which other packages offer drivers: a callable that takes the configuration."""


def load_driver(conf: cfg.ConfigOpts) -> Driver:
    """The driver that `[compute] driver` names, not yet started. Raises ConfigError."""
    name = conf.compute.driver
    try:
        make = _find(name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(reason=f"[compute] driver {name} cannot be loaded: {error}") from error
    driver: Driver = make(conf)
    return driver


def _find(name: str) -> Any:
    if path := BUILT_IN.get(name) or (name if ":" in name else ""):
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return entry.load()
    known = sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
    raise ConfigError(reason=f"[compute] driver {name} is unknown; there are {', '.join(known)}")
