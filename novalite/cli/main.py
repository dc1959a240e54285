"""`novalite`: everyday operations over the public APIs, and `novalite up` to have a cloud at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; answers the exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["up"]:
        # The all-in-one has a start-up budget: it must not load the client libraries.
        from novalite.cmd.all_in_one import main as up

        return up(args[1:]) or 0
    from novalite.cli.commands import run

    return run(args)


if __name__ == "__main__":
    sys.exit(main())
