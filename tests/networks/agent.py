"""A host's networks without the daemon around them: reads wanted states, a line each, and makes them so.

Run inside the network namespace that is the host: `python -m tests.networks.agent SETTINGS_JSON FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from novalite.networks.on_host.commands import NetworkCommandFailed
from novalite.networks.on_host.host import NetworkHost
from novalite.networks.on_host.plan import Host
from novalite.objects.host_networks import HostNetworks


def main() -> None:
    """Answer every line with one: "ok", or what went wrong."""
    host = NetworkHost(Host(**json.loads(sys.argv[1])), Path(sys.argv[2]))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            host.apply(HostNetworks.model_validate(asked["wanted"]), asked["thorough"])
            answer = "ok"
        except NetworkCommandFailed as error:
            answer = str(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
