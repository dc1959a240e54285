"""A cloud whose API also answers on a port of loopback, for hosts that send and fetch bytes of images over HTTP.

    with ServedCloud(tmp_path) as cloud:
        server = cloud.rest().boot("web", imageRef=...)
        cloud.rest().act(server, {"createImage": {"name": "shot"}})    # the image is active when this returns

It takes a while to make, so tests that leave nothing behind share one; `alive` is the conductor that answers now.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import select

from novalite.cmd.http import EventletServer, WaitressServer, listen
from novalite.db.models.compute import Task
from tests.cloud import Cloud, Conductor


class ServedCloud(Cloud):
    """Arguments as those of Cloud. What a host cannot send at once it gives up."""

    def __init__(self, folder: Path, overrides: dict[str, Any] | None = None, **more: Any) -> None:
        self.folder = folder
        self._socket = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        served = {"api.public_url": url, "compute.image_upload_attempts": 1, "shelved_offload_time": -1}
        super().__init__(folder, overrides={**served, **(overrides or {})}, **more)
        kind = EventletServer if os.environ.get("NOVALITE_CONCURRENCY") == "eventlet" else WaitressServer
        app = self.rest("admin").http.application
        self._http: EventletServer | WaitressServer = kind(app, self._socket, 4, 1 << 40)
        self._http.start()

    def __exit__(self, *what: object) -> None:
        self._http.stop(5)
        super().__exit__(*what)

    @property
    def alive(self) -> Conductor:
        """The conductor that answers."""
        return next(c for c in self.conductors if c.alive)

    def recover(self, rounds: int = 12) -> None:
        """As in Cloud, but no longer than there is something to recover."""
        for _ in range(rounds):
            super().recover(1)
            with self.db.read() as session:
                if session.execute(select(Task.id).where(Task.state == "open").limit(1)).first() is None:
                    return

    def images(self) -> list[tuple[str, str]]:
        """(name, status) of every image, oldest first."""
        found = self.rest("admin").get("/image/v2/images?sort=created_at:asc")["images"]
        return [(image["name"], image["status"]) for image in found]

    def files(self) -> list[str]:
        """Bytes of images, and what hosts have not tidied up."""
        left = [*(self.folder / "images").glob("*"), *(self.folder / "instances").rglob("*")]
        return sorted(path.name for path in left if path.is_file())

    def empty(self) -> None:
        """Remove every server and image."""
        for server in self.list_all():
            self.delete(server["id"])
        admin = self.rest("admin")
        for image in admin.get("/image/v2/images")["images"]:
            assert admin.delete(f"/image/v2/images/{image['id']}").status_code == 204
