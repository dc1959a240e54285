"""Modules that others import and hardly ever use: run when something of them is wanted, not when they are imported."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_LOADING = threading.RLock()
_running: set[str] = set()
"""Names of modules that are being run: they may look at themselves, for instance for modules in them."""


class _Late(ModuleType):
    """A module that has not been run yet, and an ordinary one when it has been."""

    def __getattr__(self, name: str) -> Any:
        """Called for names that are not there: none of its own is, before it was run."""
        with _LOADING:
            if self.__class__ is _Late and self.__name__ not in _running and not name.startswith("__"):
                _run(self)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


def _run(module: ModuleType) -> None:
    spec = module.__spec__
    assert spec is not None and spec.loader is not None
    _running.add(module.__name__)
    try:
        spec.loader.exec_module(module)
    finally:
        _running.discard(module.__name__)
    module.__class__ = ModuleType


def import_late(name: str) -> None:
    """Whoever imports this module from now on has it, and it runs when something of it is used. For modules of others
    that take long and that we never use on most days."""
    if name in sys.modules:
        return
    spec = find_spec(name)  # imports the package that it is in
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _Late
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    if package:
        setattr(import_module(package), last, module)
