"""Identity and image service on each of the databases, for tests that run on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.companions import Companions


@pytest.fixture
def cloud(cloud_url: str | None, tmp_path: Path) -> Iterator[Companions]:
    """A fresh database of each kind."""
    made = Companions(tmp_path, url=cloud_url)
    yield made
    made.close()
