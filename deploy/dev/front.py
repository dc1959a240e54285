"""A front door for several API daemons: passes each TCP connection to the next one that answers.

Enough for trying and for killing an API in a test; a real installation has nginx or haproxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.write_eof()  # the other direction may still have something to say


async def serve(port: int, backends: list[int]) -> None:
    """Listen on `port` and share connections among `backends`, all on 127.0.0.1."""
    turns = itertools.cycle(range(len(backends)))

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(turns)
        for offset in range(len(backends)):
            backend = backends[(first + offset) % len(backends)]
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", backend)
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
                back.close()
                break
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
