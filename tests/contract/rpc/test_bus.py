"""What every bus must do, on the in-process one and on a real RabbitMQ."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import orjson
import pytest

from novalite.conf.load import for_tests
from novalite.context import Context
from novalite.errors import (
    NobodyListens,
    RemoteError,
    RpcError,
    RpcTimeout,
    ServerNotFound,
    UnknownMethod,
    VersionMismatch,
)
from novalite.objects.base import unpack
from novalite.rpc.bus import Bus, Envelope
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract, Kind, call
from novalite.rpc.local import LocalBus
from tests.services.fixtures import rabbitmq  # noqa: F401  (fixture)
from tests.unit.rpc.parts import Parcel, Post, PostOffice

CTX = Context(user_id="u1", request_id="req-test", roles=("member",))


def eventually(check: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture(params=["local", pytest.param("rabbit", marks=pytest.mark.services),
                        pytest.param("quorum", marks=pytest.mark.services)])
def bus(request: pytest.FixtureRequest, tmp_path) -> Iterator[Bus]:
    if request.param == "local":
        made: Bus = LocalBus()
    else:
        from novalite.rpc.transport import RabbitBus

        url = request.getfixturevalue("rabbitmq").create_vhost()
        made = RabbitBus(for_tests({
            "host": "h1", "transport_url": url, "rpc.quorum": request.param == "quorum",
            "state_path": str(tmp_path),
        }))
    yield made
    made.close()


@pytest.fixture
def office(bus: Bus) -> PostOffice:
    office = PostOffice("h1")
    bus.serve("post", "h1", [office], workers=4).start()
    return office


@pytest.fixture
def post(bus: Bus, office: PostOffice) -> Post:
    return Client(bus).of(Post)


def test_a_call_carries_messages_both_ways(post: Post):
    parcel = Parcel(name="a", weights=(1, 2))
    assert post.weigh(CTX, parcel) == "3 kg"
    assert post.weigh(CTX, parcel, unit="lb") == "3 lb"
    assert post.improve(CTX, parcel) == Parcel(name="a", weights=(1, 2, 1))
    assert post.rows(CTX, 2) == [{"id": 0, "name": "row 0"}, {"id": 1, "name": "row 1"}]


def test_the_caller_travels_along(post: Post):
    assert post.who(CTX) == ["h1", "u1", "req-test"]


def test_a_cast_reaches_one_server(post: Post, office: PostOffice):
    post.drop(CTX, "letter")
    eventually(lambda: office.seen == ["letter"])


def test_servers_share_a_topic_and_a_fanout_reaches_all(bus: Bus, post: Post, office: PostOffice):
    other = PostOffice("h2")
    bus.serve("post", "h2", [other], workers=4).start()
    for n in range(20):
        post.drop(CTX, f"p{n}")
    eventually(lambda: len(office.seen) + len(other.seen) == 20)
    assert len(office.seen) > 2 and len(other.seen) > 2, "both took part"
    post.shout(CTX, "all")
    eventually(lambda: "all" in office.seen and "all" in other.seen)
    assert len(office.seen) + len(other.seen) == 22


def test_a_message_for_a_host_reaches_that_host(bus: Bus, post: Post):
    bus.serve("post", "h2", [PostOffice("h2")], workers=4).start()
    client = Client(bus)
    for _ in range(4):
        assert client.of(Post, host="h2").who(CTX)[0] == "h2"
        assert client.of(Post, host="h1").who(CTX)[0] == "h1"


def test_our_errors_cross_by_name_others_as_remote_error(post: Post, caplog: pytest.LogCaptureFixture):
    with pytest.raises(ServerNotFound, match=r"Instance 42 could not be found\.") as caught:
        post.fail(CTX, "ours")
    assert caught.value.facts == {"server_id": "42"} and caught.value.status == 404
    with pytest.raises(RemoteError, match="ZeroDivisionError: by nought"):
        post.fail(CTX, "python's")
    logged = [r for r in caplog.records if r.exc_info and r.exc_info[0] is ZeroDivisionError]
    assert len(logged) == 1, "the traceback is logged once, where it happened"


def test_a_slow_answer_is_a_timeout_and_the_next_call_works(post: Post):
    began = time.monotonic()
    with pytest.raises(RpcTimeout, match=r"No answer from post to post\.sleep within 0\.3 seconds\."):
        post.sleep(CTX, 1.0)
    assert time.monotonic() - began < 3
    assert post.who(CTX)[0] == "h1"


def test_a_call_that_nobody_serves_says_so(bus: Bus):
    began = time.monotonic()
    with pytest.raises(NobodyListens, match=r"No daemon answers for post: post\.sleep found nobody running"):
        Client(bus).of(Post).sleep(CTX, 0)
    assert time.monotonic() - began < 3


def test_a_call_sent_a_moment_before_its_server_starts_is_answered(bus: Bus):
    office, answers = PostOffice("h1"), []
    caller = threading.Thread(target=lambda: answers.append(Client(bus).of(Post).who(CTX)))
    caller.start()
    time.sleep(0.5)
    bus.serve("post", "h1", [office], workers=4).start()
    caller.join(10)
    assert answers == [["h1", "u1", "req-test"]]


class NewerPost(Contract, topic="post", namespace="post", version="1.3"):
    @call(timeout=5)
    def who(self, ctx: Context) -> list[str | None]:
        raise NotImplementedError


class OtherMajor(Contract, topic="post", namespace="post", version="2.0"):
    @call(timeout=5)
    def who(self, ctx: Context) -> list[str | None]:
        raise NotImplementedError


class OlderPost(Contract, topic="post", namespace="post", version="1.0"):
    @call(timeout=5)
    def who(self, ctx: Context) -> list[str | None]:
        raise NotImplementedError

    @call(timeout=5)
    def fly(self, ctx: Context) -> None:
        raise NotImplementedError


class Elsewhere(Contract, topic="post", namespace="elsewhere", version="1.0"):
    @call(timeout=5)
    def who(self, ctx: Context) -> list[str | None]:
        raise NotImplementedError


def test_versions_are_compared(bus: Bus, post: Post):
    client = Client(bus)
    assert client.of(OlderPost).who(CTX)[0] == "h1"
    for contract, wanted in ((NewerPost, "1.3"), (OtherMajor, "2.0")):
        with pytest.raises(VersionMismatch, match=rf"post offers post 1\.2, but the caller needs {wanted}"):
            client.of(contract).who(CTX)


def test_unknown_methods_are_refused_with_a_sentence(bus: Bus, post: Post):
    client = Client(bus)
    with pytest.raises(UnknownMethod, match=r"post has no method post\.fly; its version is 1\.2"):
        client.of(OlderPost).fly(CTX)
    with pytest.raises(UnknownMethod, match=r"post has no method elsewhere\.who"):
        client.of(Elsewhere).who(CTX)
    with pytest.raises(UnknownMethod, match=r"post has no method post\.forgotten"):
        post.forgotten(CTX)


def send_raw(bus: Bus, payload: str, method: str = "weigh", ctx: str = "{}") -> str:
    return bus.call(Envelope(Kind.CALL, "post", None, "post", "1.0", method, ctx, payload, 5.0))


def test_unknown_fields_are_ignored(bus: Bus, post: Post):
    payload = '{"parcel": {"name": "a", "weights": [2], "colour": "red"}, "from_the_future": 1}'
    assert send_raw(bus, payload, ctx='{"user_id": "u", "mood": "good"}') == '{"ok":"2 kg"}'


@pytest.mark.parametrize(
    ("payload", "ctx", "sentence"),
    [
        ("{}", "{}", "post.weigh was sent without its argument parcel."),
        ('{"parcel": {"name": 7}}', "{}", "post.weigh was sent a bad parcel.name: Input should be"),
        ('{"parcel": {"name": "a"}}', '{"roles": 5}', "post.weigh was sent a bad ctx.roles: Input should be"),
        ("not json", "{}", "post.weigh was sent something that is not a JSON object."),
        ("[1]", "{}", "post.weigh was sent something that is not a JSON object."),
    ],
)
def test_a_malformed_message_is_refused(bus: Bus, post: Post, payload: str, ctx: str, sentence: str):
    answer = orjson.loads(send_raw(bus, payload, ctx=ctx))
    assert answer["error"]["name"] == RpcError.__name__ and answer["error"]["message"].startswith(sentence)


def test_a_big_packed_answer_arrives_whole(post: Post):
    rows = unpack(post.big(CTX, 20_000))
    assert len(rows) == 20_000 and rows[-1]["id"] == 19_999


def test_many_callers_get_their_own_answers(post: Post):
    wrong: list[object] = []

    def ask(me: int) -> None:
        for n in range(20):
            if (got := post.weigh(CTX, Parcel(name="a", weights=(me * 1000 + n,)))) != f"{me * 1000 + n} kg":
                wrong.append((me, n, got))

    threads = [threading.Thread(target=ask, args=(me,)) for me in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_stopping_a_server_finishes_the_message_in_hand(bus: Bus):
    office = PostOffice("h1")
    handle = bus.serve("post", "h1", [office], workers=4)
    handle.start()
    answers: list[object] = []
    patient = Client(bus).of(Post, timeout=10)
    caller = threading.Thread(target=lambda: answers.append(patient.sleep(CTX, 0.5)))
    caller.start()
    time.sleep(0.25)
    assert handle.stop(grace=10) is True
    caller.join(10)
    assert answers == [None] and office.seen == ["slept"]


def test_what_was_sent_is_counted(bus: Bus, post: Post, office: PostOffice):
    with bus.recording() as log:
        post.who(CTX)
        post.drop(CTX, "x")
        post.shout(CTX, "y")
    assert [(e.kind.value, e.name) for e in log] == [
        ("call", "post.who"), ("cast", "post.drop"), ("fanout", "post.shout")]
    assert bus.sent == {"call": 1, "cast": 1, "fanout": 1}


def test_the_client_refuses_wrong_arguments_before_sending(bus: Bus, post: Post):
    for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"colour": 2}), ((1,), {"parcel": 2})]:
        with pytest.raises(TypeError, match=r"post\.weigh takes \(parcel, unit\)"):
            post.weigh(CTX, *args, **kwargs)
    assert bus.sent["call"] == 0
