"""Change a password inside a guest. Only the process that was told the password can do it; see passwords.py."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, Prepared, Step, Task
from novalite.db import servers
from novalite.errors import DriverUnsupported, GuestAgentMissing, NovaliteError, PasswordNotSet
from novalite.rpc.contracts.guest_questions import GuestQuestions


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """Whose password it is: the image says so (`os_admin_user`), else the system's usual administrator."""
    said = asked.server["image_properties"] or {}
    usual = "Administrator" if said.get("os_type", "").lower() == "windows" else "root"
    return Prepared(args={"user": said.get("os_admin_user") or usual})


def set_password(env: Env, task: Task) -> None:
    """Ask the host and wait. What goes wrong is final: the password is not kept for another try."""
    password = env.secrets.get(task.id)
    if password is None:
        reason = "the daemon that knew it stopped, perhaps after the guest was told"
        raise PasswordNotSet(server_id=task.server_id, reason=reason)
    host = env.client.of(GuestQuestions, host=task.args["host"])
    try:
        host.set_password(task.ctx, task.server_id, task.args["user"], password)
    except (GuestAgentMissing, DriverUnsupported):
        raise
    except NovaliteError as error:
        raise PasswordNotSet(server_id=task.server_id, reason=error.sentence) from error


def settle(env: Env, task: Task, session: Session) -> None:
    """The server is free again."""
    servers.release(session, task.server_id, task.id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The server is free again; the action's event says why."""
    servers.release(session, task.server_id, task.id)
    return False


CHANGE_PASSWORD = Flow(
    "change_password",
    (Step("set_password", set_password), CommitStep("settle", settle)),
    failed,
    prepare,
)
