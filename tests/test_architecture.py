"""Who may import whom. Fails with a sentence that says what to do instead.

The table is the one of docs/architecture.md: change both together, and only when the code taught a
better shape.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMON = ("objects", "errors", "states", "context", "log", "metrics", "periodic", "__version__")
"""The vocabulary: everybody may import it."""


@dataclass(frozen=True)
class Rule:
    """What a folder may import of novalite beside itself and COMMON, and why no more."""

    may: tuple[str, ...]
    because: str
    but_not: tuple[str, ...] = ()


FRAME = tuple(
    f"api.{name}"
    for name in ("faults", "links", "microversions", "middleware", "paging", "policy", "routing", "runtime",
                 "schemas")
)  # fmt: skip
"""What the API lends to the companions' routes."""

RULES = {
    "objects": Rule((), "messages are plain values that every daemon understands"),
    "errors": Rule((), "every other file raises from it"),
    "states": Rule((), "it is a table"),
    "context": Rule((), "every other file carries it"),
    "log": Rule((), "every other file logs"),
    "metrics": Rule((), "every other file counts"),
    "periodic": Rule((), "it runs jobs without knowing them"),
    "conf": Rule((), "options are read once, by whoever starts a daemon"),
    "rpc": Rule(("conf",), "the bus carries messages and knows no daemon"),
    "pump": Rule((), "it carries bytes between any two ends"),
    "health": Rule((), "it answers for any daemon"),
    "guest_metadata": Rule((), "it is what a guest reads, made from a message"),
    "daemon": Rule(("conf", "health", "rpc.bus"), "it runs any daemon"),
    "db": Rule((), "functions over a session; what they are for is decided in conductor/"),
    "conductor": Rule(("db", "rpc", "conf", "identity", "images", "placement", "scheduler.numa", "scheduler.pci",
                       "scheduler.near"),
                      "it decides; others it asks by RPC",
                      but_not=("identity.api", "identity.embedded", "images.api", "images.embedded",
                               "placement.api")),
    "scheduler": Rule(("rpc",), "it proposes from what it is told: no database, no driver, no API"),
    "compute": Rule(("rpc", "pump", "conf.load", "guest_metadata", "identity.port", "images.port",
                     "networks.on_host", "scheduler.numa", "scheduler.pci"),
                    "a compute host holds no database password; it reports to the conductor by RPC"),
    "late": Rule((), "it imports what it is told, of others"),
    "api": Rule(("rpc", "late", "guest_metadata", "identity.port", "identity.embedded", "images.port",
                 "images.embedded", "networks.port", "networks.absent", "networks.embedded",
                 "volumes.port", "volumes.absent"),
                "it listens and holds no state; ask the conductor through rpc.client"),
    "api.console_proxy": Rule(("rpc", "pump"), "a daemon of its own, which asks the conductor and knows no other part"),
    "identity": Rule(("rpc",), "a companion knows the bus and itself"),
    "images": Rule(("rpc",), "a companion knows the bus and itself"),
    "networks": Rule(("rpc",), "a companion knows the bus and itself"),
    "volumes": Rule(("rpc",), "a companion knows the bus and itself"),
    "placement": Rule((), "pure functions over resource providers"),
    "identity.api": Rule(("rpc", "identity", *FRAME), "routes ask the conductor through rpc.client"),
    "networks.api": Rule(("rpc", "networks.port", *FRAME), "routes ask the conductor by rpc.client"),
    "images.api": Rule(("rpc", "images", "identity.port", *FRAME), "routes ask the conductor by rpc.client"),
    "placement.api": Rule(("rpc", "placement", *FRAME), "routes ask the conductor by rpc.client"),
    "cli": Rule(("cmd",), "the command line is a client of the public API"),
}  # fmt: skip
"""By folder or file, the longest match counts. `cmd` wires everything and has no rule."""

LIBRARIES = {
    "sqlalchemy": ("db", "conductor", "cmd"),
    "alembic": ("db", "cmd"),
    "flask": ("api", "identity.api", "images.api", "networks.api", "placement.api"),
    "libvirt": ("compute.virt.libvirt",),
    "oslo_messaging": ("rpc", "cmd"),
    "numpy": ("scheduler",),
    "websockify": ("api.console_proxy",),
    "websocket": ("cli",),
}
"""Libraries that belong to some folders only: what a daemon does not import it need not install or load."""

LONG_LINES = 400
"""A module longer than this wants to be a folder."""
TABLES = ("novalite/api/policies.py", "novalite/errors.py")
"""Hardly more than rows, which are read as one; they may be long. Errors: a class is a status and a sentence, nothing
else, under the tree at the top of the file that tells which to derive from; whoever needs one looks through the
sentences of its noun, and a folder of files by topic would only be read as one list again."""
GENERATED = "novalite/db/migrations/versions/"
"""Steps of the schema, written by `make db-revision`; as long as they have to be."""


@dataclass(frozen=True)
class Import:
    """One import in the source."""

    line: int
    module: str


def imports(source: str, package: str) -> Iterator[Import]:
    """Every module that a source imports, inside functions too, relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)


def within(module: str, folders: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or lies in one of them."""
    return any(module == folder or module.startswith(f"{folder}.") for folder in folders)


def rule_of(module: str) -> tuple[str, Rule] | None:
    """The rule that governs a module."""
    found = [name for name in RULES if within(module, (name,))]
    longest = max(found, key=len, default=None)
    return None if longest is None else (longest, RULES[longest])


def complaints(path: str, source: str) -> list[str]:
    """What is wrong with the imports of one file, a sentence each. `path` is relative to the checkout."""
    module = ".".join(Path(path).with_suffix("").parts[1:]).removesuffix(".__init__")
    package = ".".join(Path(path).parent.parts)
    governed = rule_of(module)
    found = []
    for one in imports(source, package):
        if one.module.startswith("novalite."):
            target = one.module.removeprefix("novalite.")
            if governed is not None and not _allowed(governed, target):
                name, rule = governed
                found.append(
                    f"{path}:{one.line} imports {one.module}. {name} may import "
                    f"{', '.join((*COMMON, *rule.may))}: {rule.because}."
                )
            continue
        homes = LIBRARIES.get(one.module.split(".")[0])
        if homes is not None and not within(module, homes):
            found.append(
                f"{path}:{one.line} imports {one.module}, which belongs to {' and '.join(homes)}: "
                "put what needs it there."
            )
    return found


def _allowed(governed: tuple[str, Rule], target: str) -> bool:
    name, rule = governed
    if within(target, rule.but_not):
        return False
    # A name imported from the package itself is a module of it: `from novalite.rpc import client`.
    return within(target, (name, *COMMON, *rule.may))


def sources() -> list[str]:
    """Every module of novalite, relative to the checkout."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "novalite").rglob("*.py"))


def test_imports_follow_the_table():
    found = [text for path in sources() for text in complaints(path, (ROOT / path).read_text())]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("novalite/api/flavors.py", "from novalite.db import flavors", "novalite/api/flavors.py:1 imports"),
        ("novalite/api/flavors.py", "import novalite.db.x as f", "ask the conductor through rpc.client"),
        ("novalite/compute/build.py", "def f():\n    import novalite.db.x", "py:2 imports novalite.db.x"),
        ("novalite/compute/build.py", "from novalite.scheduler.numa import fit", None),
        ("novalite/compute/build.py", "from novalite.scheduler.pipeline import x", "compute may import"),
        ("novalite/identity/api/routes.py", "from novalite.api.policy import authorize", None),
        ("novalite/identity/tokens.py", "from novalite.api.policy import authorize", "identity may import"),
        ("novalite/conductor/login.py", "from novalite.identity.tokens import Signer", None),
        ("novalite/conductor/login.py", "from novalite.identity.api import x", "conductor may import"),
        ("novalite/objects/hosts.py", "from ..db import hosts", "imports novalite.db.hosts"),
        ("novalite/objects/hosts.py", "from .base import Message", None),
        ("novalite/scheduler/x.py", "import sqlalchemy.orm", "which belongs to db and conductor and cmd"),
        ("novalite/scheduler/x.py", "import numpy as np", None),
        ("novalite/cmd/all_in_one.py", "from novalite.db import session", None),
    ],
)  # fmt: skip
def test_the_checker_itself(path, source, complaint):
    found = complaints(path, source)
    assert bool(found) is (complaint is not None)
    assert complaint is None or complaint in found[0]


def test_every_folder_has_a_rule():
    """A new folder under novalite/ is a decision: give it a line in RULES and in docs/architecture.md."""
    tops = {path.stem for path in (ROOT / "novalite").iterdir() if path.suffix in ("", ".py")}
    known = {name.split(".")[0] for name in RULES} | {"cmd", "__init__", "__pycache__"}
    assert not tops - known


def test_modules_stay_small():
    written = [path for path in sources() if path not in TABLES and not path.startswith(GENERATED)]
    lines = {path: (ROOT / path).read_text().count("\n") for path in written}
    long = {path: count for path, count in lines.items() if count > LONG_LINES}
    assert not long, f"longer than {LONG_LINES} lines, make a folder of it: {long}"


def test_every_module_says_why_it_exists():
    silent = [
        p
        for p in sources()
        if (text := (ROOT / p).read_text()).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert not silent, f"no sentence at the top: {silent}"
