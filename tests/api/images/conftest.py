"""A fresh image service for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.companions import Companions


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Companions]:
    """Identity and image API over a fresh database."""
    made = Companions(tmp_path)
    yield made
    made.close()
