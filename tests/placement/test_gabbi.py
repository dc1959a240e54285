"""Every gabbi file of the openstack-placement package, run against our Placement API.

Nothing of them is copied: they are read from the installed package (deploy/test-wheels.txt). One test here is one file;
the requests of a file build on one another. What is left out stands in LEFT_OUT with its reason, is sent all the same,
and fails here when it begins to pass.
"""

from __future__ import annotations

import os
import unittest
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from gabbi import handlers, suitemaker, utils

from tests.cloud import Cloud
from tests.placement.furniture import FIXTURES, Maker, name_things
from tests.placement.mounted import App, mounted

_CORS = "which pages of browsers may read answers is said by the reverse proxy in front, as for all our APIs"
LEFT_OUT: dict[str, dict[str, str]] = {
    "cors.yaml": {
        "valid options request": _CORS,
        "invalid options request": _CORS,
        "valid get request": _CORS,
    },
}
"""By file and name of a test ("*": all of the file): why our API answers differently."""


def folder() -> Path:
    """Where the files are."""
    found = find_spec("placement")
    assert found and found.submodule_search_locations, (
        "openstack-placement is missing: run deploy/install-deps"
    )
    return Path(found.submodule_search_locations[0], "tests", "functional", "gabbits")


FILES = sorted(path.name for path in folder().glob("*.yaml"))


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The files look for names and ids in the environment."""
    with mock.patch.dict(os.environ):
        name_things()
        yield


class Outcome(unittest.TestResult):
    """What became of each request of a file."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def addSuccess(self, test: Any) -> None:
        self.passed.append(test.test_data["name"])


def suite(name: str, content: dict[str, Any], app: App) -> unittest.TestSuite:
    """The requests of one file, to be sent to `app`."""
    made = [handler() for handler in handlers.RESPONSE_HANDLERS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return suitemaker.test_suite_from_dict(
            unittest.TestLoader(), name.removesuffix(".yaml"), content, str(folder()), "placement.example", 80, None,
            lambda: app, handlers=made,
        )  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_file(name: str, tmp_path: Path, record_property: Any) -> None:
    content = utils.load_yaml(yaml_file=str(folder() / name))
    furnish, policies = FIXTURES[content["fixtures"][0]]
    outcome = Outcome()
    with Cloud(tmp_path, hosts=()) as cloud:
        app = mounted(cloud, policies, tmp_path)
        furnish(Maker(app))
        suite(name, content, app).run(outcome)
    wrong = {test.test_data["name"]: told for test, told in outcome.failures + outcome.errors}
    left_out = LEFT_OUT.get(name, {})
    excused = [one for one in wrong if one in left_out or "*" in left_out]
    failed = [one for one in wrong if one not in excused]
    record_property("gabbi", (len(outcome.passed), len(failed), len(excused)))
    assert not failed, f"{len(failed)} of {outcome.testsRun}:\n" + "\n".join(
        f"{one}\n{wrong[one]}" for one in failed
    )
    assert not (late := left_out.keys() - wrong.keys() - {"*"}), f"left out, but passed or not there: {late}"
    assert wrong or "*" not in left_out, f"{name} is left out, but all of it passed"
