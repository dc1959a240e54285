"""A conductor that stops while requests still come."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from novalite.conductor.env import Env
from novalite.conductor.runner import TaskRunner
from novalite.conf import load
from novalite.context import system
from novalite.db import schema
from novalite.db import tasks as db_tasks
from novalite.db.session import Database


def test_a_task_that_comes_when_the_threads_are_gone_is_left_to_the_sweep() -> None:
    """It is committed by then, so its caller must not be told of an error."""
    env = Env(conf=load.for_tests({}), db=None, client=None, host="here")  # type: ignore[arg-type]
    runner = TaskRunner(env, {})
    assert runner._pool is not None
    runner._pool.shutdown()  # the moment between `stop` and a request that looked before it
    row = db_tasks.opened(system(), "create", "create", "server", "project", 0.0, {})
    runner.own(row)
    runner.begin([row])
    assert runner.spare(), "what was not begun is not in hand"


def test_what_a_stopping_conductor_never_began_is_free_at_once(tmp_path: Path) -> None:
    """Not only when its lease is over: nobody will begin it here any more."""
    with closing(Database(f"sqlite:///{tmp_path}/n.db")) as db:
        schema.sync(db)
        env = Env(conf=load.for_tests({}), db=db, client=None, host="here")  # type: ignore[arg-type]
        runner = TaskRunner(env, {}, clock=lambda: 1000.0)
        row = db_tasks.opened(system(), "create", "create", "server", "project", 0.0, {})
        runner.own(row)
        db.run(lambda session: db_tasks.write_opened(session, [row]))
        with db.read() as session:
            assert db_tasks.overdue(session, 1000.0) == [], "it is this conductor's"
        runner._stop.set()
        runner.begin([row])
        runner.stop(1.0)
        with db.read() as session:
            assert [found[0] for found in db_tasks.overdue(session, 1000.1)] == [row["id"]]
