"""A simulation is the real scheduler and the real claims, and the same for the same seed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from novalite.cmd.manage import run
from novalite.cmd.simulation import simulate
from novalite.conf.load import for_tests


def test_the_same_seed_gives_the_same_result() -> None:
    first, again = (simulate(for_tests({}), hosts=8, events=90, seed=5, fill=0.95) for _ in range(2))
    assert replace(first, seconds=0, decisions_per_s=0) == replace(again, seconds=0, decisions_per_s=0)
    assert first.problems == 0 and first.created and first.deleted and first.refused
    assert sum(first.refused_by.values()) == first.refused
    assert 0.7 < max(first.utilisation.values()) <= 1.0
    assert simulate(for_tests({}), hosts=8, events=90, seed=6, fill=0.95).digest != first.digest


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--hosts", "3", "--events", "5", "--seed", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["hosts"], found["seed"], found["events"], found["problems"]) == (3, 2, 5, 0)


@pytest.mark.parametrize("words", [["--hosts", "0"], ["--fill", "101"], ["--events", "-1"]])
def test_nonsense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        run(["simulate", *words])
    assert error.value.code == 2
