"""Golden files: `golden("domain/minimal.xml", text)` compares; `pytest --regenerate` rewrites them.

Review the difference before committing it: a golden file is the expectation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch that makes what is the expectation."""
    parser.addoption("--regenerate", action="store_true", help="rewrite golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name."""

    def compare(name: str, text: str) -> None:
        path = FOLDER / name
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; pytest --regenerate makes it"
        assert text == path.read_text(), f"{name} differs; if that is meant: pytest --regenerate"

    return compare
