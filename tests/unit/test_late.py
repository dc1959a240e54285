"""Modules that run when something of them is used."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from novalite.late import import_late


def test_a_late_module_runs_once_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lately"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "slow.py").write_text(
        "import time\nfrom lately import runs\nruns.append(1)\nearly = 1\ntime.sleep(0.1)\nvalue = 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import_late("lately.slow")
    import lately  # type: ignore[import-not-found]

    lately.runs = []
    from lately import slow  # type: ignore[import-not-found]

    assert slow is sys.modules["lately.slow"] and lately.runs == []
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda name: getattr(slow, name), ["value"] * 4)) == [7] * 4
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = slow.nothing
    assert lately.runs == [1]


def test_a_late_module_that_cannot_be_run_says_why_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_lately.py").write_text("raise ImportError('a library is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_late("broken_lately")
    import broken_lately  # type: ignore[import-not-found]

    for _ in range(2):
        with pytest.raises(ImportError, match="a library is missing"):
            _ = broken_lately.value


def test_policies_do_not_run_what_only_debugging_needs() -> None:
    look = (
        "import sys, novalite.api.policy as p; print(*(type(sys.modules[n]).__name__ for n in sys.argv[1:]))"
    )
    asked = [sys.executable, "-c", look, "oslo_utils.strutils", "yaml"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split() == [
        "_Late",
        "_Late",
    ]
