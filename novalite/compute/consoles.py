"""The end of a guest's serial console as text."""

from __future__ import annotations


def tail(log: bytes, length: int | None) -> str:
    """The last `length` pieces between line ends (None or negative: all of it).

    What stands behind the last line end counts, even when it is nothing: clients that split the text at
    line ends get as many pieces as they asked for.
    Bytes that are no UTF-8 become U+FFFD, so that a guest cannot make the answer unreadable; a
    character cut in half by the byte limit is left out.
    """
    text = _from_whole_character(log).decode("utf-8", errors="replace")
    if length is None or length < 0:
        return text
    lines = text.split("\n")
    return "\n".join(lines[len(lines) - min(length, len(lines)):])


def _from_whole_character(log: bytes) -> bytes:
    """Without the continuation bytes (10xxxxxx, at most three) that the log was cut in front of."""
    for start in range(min(3, len(log))):
        if log[start] & 0xC0 != 0x80:
            return log[start:]
    return log[3:]
