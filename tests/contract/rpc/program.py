"""A process of its own that serves and asks: `program.py URL threads|eventlet STATE [HOST [quorum]]`."""

import sys

url, mode, state = sys.argv[1:4]
host = sys.argv[4] if len(sys.argv) > 4 else "h1"
if mode == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

from novalite.conf.load import for_tests  # noqa: E402
from novalite.context import system  # noqa: E402
from novalite.errors import RpcTimeout, ServerNotFound  # noqa: E402
from novalite.rpc.client import Client  # noqa: E402
from novalite.rpc.connect import connect  # noqa: E402
from tests.unit.rpc.parts import Parcel, Post, PostOffice  # noqa: E402


def expect(error: type[Exception], work: Callable[[], object]) -> None:
    """`work` raises `error`."""
    try:
        work()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def exercise(transport_url: str) -> None:
    """Call, cast, fanout, error, timeout and 8 callers at once."""
    bus = connect(for_tests({"host": host, "transport_url": transport_url, "state_path": state,
                             "rpc.quorum": "quorum" in sys.argv}))
    office = PostOffice(host)
    handle = bus.serve("post", host, [office], workers=8)
    handle.start()
    post, ctx, wrong = Client(bus).of(Post, host=host), system(), []
    assert post.weigh(ctx, Parcel(name="a", weights=(1,))) == "1 kg"
    post.drop(ctx, "letter")
    post.shout(ctx, "word")
    expect(ServerNotFound, lambda: post.fail(ctx, "ours"))
    expect(RpcTimeout, lambda: post.sleep(ctx, 1))

    def ask() -> None:
        for _ in range(10):
            mine = system()
            if (answer := post.who(mine)) != [host, None, mine.request_id]:
                wrong.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []
    deadline = time.monotonic() + 10
    while not {"letter", "word"} <= set(office.seen):
        assert time.monotonic() < deadline, office.seen
        time.sleep(0.01)
    assert handle.stop(grace=10)
    bus.close()


exercise("local://")
exercise(url)
print("all well")
