"""A daemon whose process group lost its leader, as when a script started it and left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
from pathlib import Path
while Path(f"/proc/{os.getpgrp()}/stat").exists():
    time.sleep(0.02)
from novalite.conf import load
from novalite.rpc.connect import connect
from novalite.rpc.client import Client
conf = load.load("orphan", (), {"transport_url": sys.argv[1], "rpc.quorum": True, "state_path": sys.argv[2]})
bus = connect(conf)
handle = bus.serve("orphans", "here", [], 1)
handle.start()
Path(sys.argv[2], "served").write_text("yes")
os._exit(0)
"""


@pytest.mark.services
def test_quorum_queues_work_without_the_leader_of_the_process_group(rabbitmq: object, tmp_path: Path) -> None:
    url = rabbitmq.create_vhost()  # type: ignore[attr-defined]
    leader = [sys.executable, "-c",
              "import subprocess, sys; subprocess.Popen(sys.argv[1:])", sys.executable, "-c", PROGRAM, url,
              str(tmp_path)]  # fmt: skip
    root = str(Path(__file__).resolve().parents[3])
    subprocess.run(leader, start_new_session=True, env={**os.environ, "PYTHONPATH": root}, check=True, timeout=30)
    deadline = time.monotonic() + 30
    while not (tmp_path / "served").exists():
        assert time.monotonic() < deadline, "the orphan never served"
        time.sleep(0.1)
