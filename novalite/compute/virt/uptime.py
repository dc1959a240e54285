"""How long this machine has been up, in the words of uptime(1)."""

from __future__ import annotations

import os
import time
from pathlib import Path


def uptime(proc: Path = Path("/proc")) -> str:
    """The line that uptime(1) prints, which clients of the hypervisors API take apart."""
    seconds = int(float((proc / "uptime").read_text().split()[0]))
    days, rest = divmod(seconds, 86400)
    lasted = f"{days} day{'' if days == 1 else 's'}, " if days else ""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    clock = time.strftime("%H:%M:%S")
    return f" {clock} up {lasted}{rest // 3600:2d}:{rest % 3600 // 60:02d},  0 users,  load average: {load}"
