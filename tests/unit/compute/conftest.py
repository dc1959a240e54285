"""One compute daemon with a scripted conductor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.compute.scripted import Rig


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """A rig with settings, written section__option=value; not yet started."""
    made: list[Rig] = []

    def make(**overrides: Any) -> Rig:
        made.append(Rig(tmp_path, **overrides))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A daemon that is up."""
    made = make_rig()
    made.start()
    return made
