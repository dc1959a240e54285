"""Ask hosts again for images that they were to fetch beforehand and did not answer for."""

from __future__ import annotations

import logging
import time

from novalite.conductor.aggregates import ASK_AGAIN, MOST_ASKS, ask
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import image_requests

LOG = logging.getLogger(__name__)


class AskForImages:
    """A host that was down, or a message that was lost: asked again, less and less often, then given up."""

    name = "ask_for_images"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        """Half the time a host is given at first."""
        return ASK_AGAIN / 2

    def run(self, ctx: Context) -> int:
        """Answers how many were asked again."""
        at = time.time()
        with self.env.db.read() as session:
            overdue = image_requests.overdue(session, at)
        again = [row for row in overdue if self._take(row, at)]
        ask(self.env, ctx, [(host, image_id) for host, image_id, _ in again])
        return len(again)

    def _take(self, row: tuple[str, str, int], at: float) -> bool:
        host, image_id, asks = row
        if asks >= MOST_ASKS:
            LOG.warning(
                "Host %s was asked %d times for image %s and did not answer; given up", host, asks, image_id
            )
            self.env.db.run(lambda session: image_requests.forget(session, host, image_id))
            return False
        later = at + ASK_AGAIN * 2**asks
        return self.env.db.run(
            lambda session: image_requests.asked_again(session, host, image_id, asks, later)
        )  # fmt: skip
