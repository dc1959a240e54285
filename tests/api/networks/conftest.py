"""A fresh network service for every test, and what tests do with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.companions import Companions
from tests.api.networks.neutron import Neutron


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Companions]:
    """Identity and network API over a fresh database."""
    made = Companions(tmp_path)
    yield made
    made.close()


@pytest.fixture
def admin(cloud: Companions) -> Neutron:
    """The administrator."""
    return Neutron(cloud, cloud.admin)


@pytest.fixture
def ada(cloud: Companions) -> Neutron:
    """A member of a project of her own."""
    return Neutron.member(cloud, "ada")


@pytest.fixture
def bob(cloud: Companions) -> Neutron:
    """A member of another project."""
    return Neutron.member(cloud, "bob")
