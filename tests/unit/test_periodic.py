"""Jobs run on time, never twice at once, at once when told, and survive their own errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from novalite import log
from novalite.periodic import FAILED, RUNS, Periodic, PeriodicRunner


@pytest.fixture
def runner():
    runner = PeriodicRunner(workers=2)
    yield runner
    runner.stop(grace=5)


def eventually(check: Callable[[], object], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


def test_a_job_repeats_with_a_fresh_request_id_each_time(runner: PeriodicRunner):
    seen = []
    runner.add(Periodic("a", lambda ctx: seen.append((ctx.request_id, log.current())), every=0.01, first=0))
    runner.start()
    eventually(lambda: len(seen) >= 3)
    assert len({request for request, _ in seen}) == len(seen)
    assert all(bound is not None and bound.request_id == request for request, bound in seen)


def test_a_slow_job_does_not_overlap_itself(runner: PeriodicRunner):
    now, most = [0], [0]

    def slow(ctx: object) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.03)
        now[0] -= 1

    runner.add(Periodic("slow", slow, every=0.001, first=0))
    runner.start()
    for _ in range(20):
        runner.run_now("slow")
        time.sleep(0.005)
    assert most[0] == 1


def test_run_now_while_running_means_once_more(runner: PeriodicRunner):
    begun, go, runs = threading.Event(), threading.Event(), []

    def job(ctx: object) -> None:
        begun.set()
        go.wait(5)
        runs.append(1)

    runner.add(Periodic("a", job, every=0))
    runner.start()
    runner.run_now("a")
    assert begun.wait(5)
    for _ in range(5):
        runner.run_now("a")
    go.set()
    eventually(lambda: len(runs) == 2)
    time.sleep(0.05)
    assert len(runs) == 2


def test_an_interval_of_nought_is_off_until_told_otherwise(runner: PeriodicRunner):
    every, runs = [0.0], []
    runner.add(Periodic("a", lambda ctx: runs.append(1), every=lambda: every[0], first=0))
    runner.start()
    time.sleep(0.05)
    assert runs == []
    every[0] = 0.01
    runner.replan()
    eventually(lambda: len(runs) >= 2)


def test_an_error_is_logged_counted_and_survived(runner: PeriodicRunner, caplog: pytest.LogCaptureFixture):
    before = FAILED.value("fails")
    runner.add(Periodic("fails", lambda ctx: 1 / 0, every=0.01, first=0))
    runner.start()
    eventually(lambda: FAILED.value("fails") >= before + 2 and RUNS.count("fails") >= 2)
    assert "Periodic job fails failed" in caplog.text and "ZeroDivisionError" in caplog.text


def test_stop_waits_for_the_job_in_hand(runner: PeriodicRunner):
    begun, ended = threading.Event(), threading.Event()

    def job(ctx: object) -> None:
        begun.set()
        time.sleep(0.1)
        ended.set()

    runner.add(Periodic("a", job, every=10, first=0))
    runner.start()
    assert begun.wait(5)
    assert runner.stop(grace=0.01) is False
    assert runner.stop(grace=5) is True and ended.is_set()


def test_hundreds_of_jobs_share_a_few_threads(runner: PeriodicRunner):
    before, done = threading.active_count(), set()
    runner.add(*(Periodic(f"j{n}", lambda ctx, n=n: done.add(n), every=0.2) for n in range(300)))
    runner.start()
    eventually(lambda: len(done) == 300)
    assert threading.active_count() <= before + 3


def test_two_jobs_of_one_name_are_refused(runner: PeriodicRunner):
    runner.add(Periodic("a", lambda ctx: None, every=1))
    with pytest.raises(ValueError, match="called a"):
        runner.add(Periodic("a", lambda ctx: None, every=1))
