"""Says at the end how many requests of the shipped files passed."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line over all files, and one for each file that is not whole."""
    sums, lines = [0, 0, 0], []
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, counts in getattr(report, "user_properties", ()):
                if name == "gabbi" and report.when == "call":
                    sums = [one + other for one, other in zip(sums, counts, strict=True)]
                    if counts[1] or counts[2]:
                        lines.append("  {}: {} passed, {} failed, {} left out".format(report.nodeid, *counts))
    if any(sums):
        terminalreporter.write_line("gabbi: {} passed, {} failed, {} left out".format(*sums))
        for line in sorted(lines):
            terminalreporter.write_line(line)
