"""novalite-manage: for operators; the commands are in novalite/cli/manage.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    from novalite.cli.manage import main as run

    sys.exit(run(argv))


if __name__ == "__main__":
    main()
