"""Identity and image service on each of the databases, for tests that run on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.companions import Companions


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.services),
        pytest.param("mariadb", marks=pytest.mark.services),
    ]
)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Companions]:
    """A fresh database of each kind."""
    url, server = None, None
    if request.param != "sqlite":
        server = request.getfixturevalue(request.param)
        url = server.create_database()
    made = Companions(tmp_path, url=url)
    yield made
    made.close()
    if server is not None:
        server.drop_database(url)
