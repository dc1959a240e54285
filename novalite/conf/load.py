"""Read, check and dump the configuration. The only place, with rpc/transport.py, that sees oslo.config's CONF.

Each section is a module of this package with `GROUP` (None for [DEFAULT]) and `OPTS`.
"""

from __future__ import annotations

import logging
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from oslo_config import cfg

import novalite.conf
from novalite import __version__
from novalite.errors import ConfigError

LOG = logging.getLogger(__name__)
DEFAULT_FILES = ("/etc/novalite/novalite.conf",)


def sections() -> list[ModuleType]:
    """Every section module, in name order."""
    names = sorted(m.name for m in pkgutil.iter_modules(novalite.conf.__path__))
    modules = [import_module(f"novalite.conf.{name}") for name in names if name != "load"]
    return [m for m in modules if hasattr(m, "OPTS")]


def register(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Make every option of novalite known to `conf`."""
    for section in sections():
        conf.register_opts(section.OPTS, group=section.GROUP)
    return conf


def load(
    prog: str,
    config_files: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    conf: cfg.ConfigOpts | None = None,
) -> cfg.ConfigOpts:
    """Read files into `conf` (a private one when None) and check every value.

    `overrides` maps "section.option" (or "option" for [DEFAULT]) to a value.
    Raises ConfigError with one sentence naming file, section and option.
    """
    conf = conf if conf is not None else cfg.ConfigOpts()
    with _one_sentence(conf):
        _fill(conf, prog, config_files, overrides or {})
        for group, opt in _options():  # touched, so that a bad value is found before anything starts
            _value(conf, group, opt)
    return conf


def _fill(conf: cfg.ConfigOpts, prog: str, config_files: Iterable[str], overrides: Mapping[str, Any]) -> None:
    register(conf)
    conf([], project="novalite", prog=prog, version=__version__, default_config_files=list(config_files))
    for key, value in overrides.items():
        group, name = _split(key)
        conf.set_override(name, value, group=group)


def _split(key: str) -> tuple[str | None, str]:
    group, _, name = key.rpartition(".")
    return group or None, name


@contextmanager
def _one_sentence(conf: cfg.ConfigOpts) -> Iterator[None]:
    try:
        yield
    except (cfg.Error, ValueError) as error:
        raise ConfigError(reason=_told(conf, error)) from error


def _options() -> Iterator[tuple[str | None, cfg.Opt]]:
    return ((section.GROUP, opt) for section in sections() for opt in section.OPTS)


def _value(conf: cfg.ConfigOpts, group: str | None, opt: cfg.Opt) -> Any:
    return (conf[group] if group else conf)[opt.dest]


_IN_FILE = re.compile(r"from LocationInfo\(.*detail='(?P<where>[^']*)'\) is not valid: (?P<why>.*)", re.DOTALL)


def _told(conf: cfg.ConfigOpts, error: Exception) -> str:
    """oslo.config's error as one sentence that names file, section and option."""
    for group, opt in _options():
        try:
            _value(conf, group, opt)
        except cfg.NoSuchOptError:
            break  # it did not come to registering: the error is about something else
        except (cfg.Error, ValueError) as found:
            match = _IN_FILE.search(str(found))
            where = f"{match['where']}: " if match else ""
            why = match["why"] if match else str(found)
            if choices := getattr(opt.type, "choices", None):
                why = f"it must be one of {', '.join(map(str, choices))}"
            return _line(f"{where}[{group or 'DEFAULT'}] {opt.name}: {why}")
    return _line(str(error))


def _line(text: str) -> str:
    return " ".join(text.split())


def dump(conf: cfg.ConfigOpts, log: logging.Logger = LOG) -> None:
    """Log every option and its value once, secrets starred (S4: options dumped at start)."""
    conf.log_opt_values(log, logging.INFO)


def for_tests(overrides: Mapping[str, Any] | None = None) -> cfg.ConfigOpts:
    """A private configuration of defaults plus overrides; reads no file, and checks the overrides only, because
    tests make thousands of these."""
    conf = cfg.ConfigOpts()
    with _one_sentence(conf):
        _fill(conf, "novalite-test", (), overrides or {})
        for group, name in map(_split, overrides or {}):
            (conf[group] if group else conf)[name]
    return conf


def argument_files(argv: Sequence[str]) -> list[str]:
    """The --config-file values in `argv`, else the default file when it exists."""
    files = [argv[i + 1] for i, a in enumerate(argv[:-1]) if a == "--config-file"]
    files += [a.partition("=")[2] for a in argv if a.startswith("--config-file=")]
    return files
