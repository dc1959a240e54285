"""novalite-api: listens to users; holds no state; asks the conductor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.cmd import _boot

if TYPE_CHECKING:
    from novalite.cmd.http import HttpPart


def parts(conf: Any, bus: Any, client: Any) -> Sequence[HttpPart]:
    """One API process."""
    from novalite.cmd.http import HttpPart

    def make() -> Any:
        from novalite.api.app import create_app

        return create_app(conf, client)

    return [HttpPart(conf, make)]


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point."""
    _boot.leave(_boot.serve("novalite-api", "Answers the public APIs over HTTP.", parts, argv))


if __name__ == "__main__":
    main()
