"""Schedulers and conductors that race for the last places: no host is overfilled, no rule of a group is broken, and
who was refused had nowhere to go. `python -m benchmarks.races` runs the same with 2,000 requests for 500 hosts."""

from __future__ import annotations

from benchmarks.races import Size, race

SMALL = Size(hosts=24, places=4, requests=130, groups=4, members=8)


def test_racing_schedulers_fill_every_place_and_break_no_rule(cloud_url, tmp_path) -> None:
    told = race(cloud_url or f"sqlite:///{tmp_path / 'race.db'}", SMALL, schedulers=3, conductors=2, threads=8)
    assert told.problems == []
    assert told.placed + told.refused == SMALL.requests
    assert told.refused >= SMALL.requests - SMALL.hosts * SMALL.places
