"""The small guest that boots to a marker on its console within seconds."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.dev.processes import NotInstalled

UP = "novalite-guest: up"
BUILDER = Path(__file__).resolve().parents[1] / "guest" / "build-guest-image"


def guest_image(seconds: float = 300) -> Path:
    """Path of guest.qcow2, built now or kept from before; progress goes to standard error."""
    done = subprocess.run([BUILDER], stdout=subprocess.PIPE, text=True, timeout=seconds)
    if done.returncode:
        raise NotInstalled(f"{BUILDER.name} failed, see above")
    return Path(done.stdout.strip().splitlines()[-1])
