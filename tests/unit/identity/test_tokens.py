"""Tokens: what they carry, how they are refused, what checking them costs."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from novalite.errors import RpcTimeout, Unauthorized
from novalite.identity.claims import Claims, Named, Scoped, decode, encode, now_us, render_catalog
from novalite.identity.tokens import Signer, Verifier, key_id, new_private_key, public_key
from novalite.objects.base import Record

SECOND = 1_000_000


def claims(**values: object) -> Claims:
    now = now_us()
    user, project = Scoped("u1", "ada", "default", "Default"), Scoped("p1", "lab", "default", "Default")
    made = Claims(now, now + 60 * SECOND, user=user, project=project, audit_ids=("a1",))
    return replace(made, **values)  # type: ignore[arg-type]


class Source:
    """Keys and revocations of a conductor that can be away."""

    def __init__(self, *private: str) -> None:
        self.private = list(private)
        self.events: list[list[object]] = []
        self.away = False
        self.asked = {"keys": 0, "revocations": 0}

    def keys(self) -> dict[str, str]:
        self._note("keys")
        return {key_id(public_key(p)): public_key(p) for p in self.private}

    def revocations(self, since: str | None) -> Record:
        self._note("revocations")
        return {"events": self.events, "now": "2026-01-01T00:00:00", "horizon": now_us() - 3600 * SECOND}

    def _note(self, what: str) -> None:
        self.asked[what] += 1
        if self.away:
            raise RpcTimeout(topic="conductor", method=what, timeout=10)


@pytest.fixture
def key() -> str:
    return new_private_key()


words = some.text(max_size=40)
scoped = some.builds(Scoped, words, words, words, words)


@given(
    user=some.none() | scoped,
    project=some.none() | scoped,
    roles=some.lists(some.builds(Named, words, words), max_size=5).map(tuple),
    system=some.booleans(),
    audit_ids=some.lists(words, max_size=2).map(tuple),
    restricted=some.booleans(),
)
def test_claims_survive_the_wire(**values: object) -> None:
    made = claims(**values)
    assert decode(encode(made)) == made


@given(some.binary(max_size=200))
def test_noise_is_no_payload(noise: bytes) -> None:
    try:
        decode(noise)
    except ValueError:
        return
    assert noise[:1] in (b"\x01", b"\x02")


def test_a_bomb_is_not_unpacked() -> None:
    import zlib

    with pytest.raises(ValueError, match="too large"):
        decode(b"\x02" + zlib.compress(b"[" + b"1," * 500_000))


def test_a_full_token_stays_small(key: str) -> None:
    roles = tuple(Named(f"{n:032x}", f"a-role-with-a-long-name-{n}") for n in range(50))
    name = "x" * 255
    full = claims(user=Scoped("u" * 32, name, "d" * 32, name), roles=roles)
    assert len(Signer(lambda: key).issue(full)) < 4096


def test_every_changed_character_is_noticed(key: str) -> None:
    token = Signer(lambda: key).issue(claims())
    verifier = Verifier(Source(key))
    assert verifier.verify(token).user == claims().user
    for place in range(0, len(token) - 1, 7):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(Unauthorized):
            verifier.verify(token[:place] + other + token[place + 1 :])
    for junk in (
        "",
        "x",
        "é" * 50,
        token[:-4],
        token * 60,
        base64.b64encode(b"\0" * 100).decode(),
        "=" * 100,
    ):
        with pytest.raises(Unauthorized):
            verifier.verify(junk)


def test_another_cloud_s_token_is_refused_and_costs_one_look(key: str) -> None:
    source = Source(key)
    verifier = Verifier(source)
    stranger = Signer(new_private_key).issue(claims())
    for _ in range(5):
        with pytest.raises(Unauthorized):
            verifier.verify(stranger)
    assert source.asked["keys"] == 1


def test_a_new_key_signs_and_the_old_one_still_counts(key: str) -> None:
    keys = [key]
    signer = Signer(lambda: keys[-1], refresh=0)
    old = signer.issue(claims())
    keys.append(new_private_key())
    verifier = Verifier(Source(*keys))
    assert verifier.verify(old) and verifier.verify(signer.issue(claims()))


def test_expiry_is_exact(key: str) -> None:
    token = Signer(lambda: key).issue(claims(expires=now_us() + 50_000))
    verifier = Verifier(Source(key))
    assert verifier.verify(token)
    time.sleep(0.055)
    with pytest.raises(Unauthorized):
        verifier.verify(token)


@pytest.mark.parametrize(
    ("name", "ends"),
    [("audit:a1", True), ("user:u1", True), ("project:p1", True), ("domain:default", True),
     ("target:u1:p1", True), ("target:u1:p2", False), ("target:u2:p1", False), ("user:u2", False),
     ("audit:a2", False), ("credential:c1", False)],
)  # fmt: skip
def test_a_revocation_ends_what_it_names(key: str, name: str, ends: bool) -> None:
    verifier, signer = Verifier(Source(key)), Signer(lambda: key)
    before = signer.issue(claims())
    assert verifier.verify(before)
    verifier.learn([(name, now_us())])
    time.sleep(0.001)
    after = signer.issue(claims(audit_ids=("a9",)))
    assert verifier.verify(after), "tokens issued later live"
    if ends:
        with pytest.raises(Unauthorized):
            verifier.verify(before)
    else:
        assert verifier.verify(before)


def test_while_the_conductor_is_away_known_tokens_work(key: str) -> None:
    source = Source(key)
    verifier = Verifier(source, poll_interval=0)
    token = Signer(lambda: key).issue(claims())
    assert verifier.verify(token)
    source.away = True
    assert verifier.verify(token) and verifier.verify(token)
    assert source.asked["revocations"] == 2, "one failed look, then none for a second"


def test_a_worker_that_knows_nothing_refuses_to_guess(key: str) -> None:
    source = Source(key)
    source.away = True
    with pytest.raises(RpcTimeout):
        Verifier(source).verify(Signer(lambda: key).issue(claims()))


def test_old_revocations_are_forgotten(key: str) -> None:
    source = Source(key)
    verifier = Verifier(source)
    verifier.learn([("user:old", 1), ("user:new", now_us())])
    verifier.refresh()
    assert set(verifier._revoked) == {"user:new"}


def test_the_cache_is_bounded(key: str) -> None:
    verifier, signer = Verifier(Source(key), cache_size=8), Signer(lambda: key)
    for number in range(50):
        verifier.verify(signer.issue(claims(audit_ids=(f"a{number}",))))
    assert len(verifier._cache) <= 8


def test_a_seen_token_costs_microseconds(key: str) -> None:
    verifier = Verifier(Source(key))
    token = Signer(lambda: key).issue(claims())
    verifier.verify(token)
    begun = time.thread_time()
    for _ in range(1000):
        verifier.verify(token)
    assert (time.thread_time() - begun) / 1000 < 0.0001


def test_a_context_has_what_policies_ask(key: str) -> None:
    made = decode(encode(claims(roles=(Named("r1", "member"),))))
    ctx = made.context
    assert (ctx.user_id, ctx.project_id, ctx.roles, ctx.user_domain_id) == (
        "u1",
        "p1",
        ("member",),
        "default",
    )
    image = Verifier(Source(key)).verify(Signer(lambda: key).image_token("i1", 60)).context
    assert (image.only_image, image.user_id, image.roles) == ("i1", None, ())


def test_addresses_are_filled_in_or_left_out() -> None:
    urls = ("http://x/v3/%(project_id)s", "http://x/$(tenant_id)s", "http://x/v2", "http://x/%(user_id)s")
    service = {"type": "t", "endpoints": [{"url": url} for url in urls]}

    def filled(project: str | None) -> list[str]:
        return [e["url"] for e in render_catalog([service], project, "u1")[0]["endpoints"]]

    assert filled("p1") == ["http://x/v3/p1", "http://x/p1", "http://x/v2", "http://x/u1"]
    assert filled(None) == ["http://x/v2", "http://x/u1"]
