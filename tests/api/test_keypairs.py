"""Keypairs through the API, with the real conductor and database behind it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from novalite.api import keys
from tests.api.nouns import NounsUnderTest
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import PROJECT, message

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@here"
MD5 = "46:5d:0f:4b:7b:74:b6:5f:ce:80:b0:33:70:9e:33:96"
"""What `ssh-keygen -E md5 -lf` says of it."""


def make(nouns: NounsUnderTest, name: str = "mine", version: str = "2.1", **more: Any) -> Any:
    """POST a keypair with a public key."""
    token = more.pop("token", "member")
    body = {"keypair": {"name": name, "public_key": ED25519, **more}}
    return nouns.post("/os-keypairs", body, version=version, token=token)


def names(nouns: NounsUnderTest, query: str = "", **more: Any) -> list[str]:
    """Names in a list."""
    return [
        one["keypair"]["name"] for one in nouns.get(f"/os-keypairs{query}", **more).get_json()["keypairs"]
    ]


def test_import_list_show_delete(nouns: NounsUnderTest) -> None:
    reply = make(nouns)
    key = {"name": "mine", "public_key": ED25519, "fingerprint": keys.import_ssh(ED25519).fingerprint}
    assert (reply.status_code, reply.get_json()) == (200, {"keypair": {**key, "user_id": "u-member"}})
    assert nouns.get("/os-keypairs").get_json() == {"keypairs": [{"keypair": key}]}
    shown = nouns.get("/os-keypairs/mine").get_json()["keypair"]
    assert shown.pop("created_at").startswith("20")
    assert shown == {
        **key, "user_id": "u-member", "id": 1, "updated_at": None, "deleted": False, "deleted_at": None,
    }  # fmt: skip
    reply = nouns.delete("/os-keypairs/mine")
    assert (reply.status_code, reply.data) == (202, b"")
    assert nouns.get("/os-keypairs/mine").status_code == 404
    assert nouns.delete("/os-keypairs/mine").status_code == 404


def test_status_codes_and_type_from_2_2(nouns: NounsUnderTest) -> None:
    assert make(nouns, type="ssh").status_code == 400
    reply = make(nouns, version="2.2", type="ssh")
    assert (reply.status_code, reply.get_json()["keypair"]["type"]) == (201, "ssh")
    assert nouns.get("/os-keypairs", version="2.2").get_json()["keypairs"][0]["keypair"]["type"] == "ssh"
    assert nouns.get("/os-keypairs/mine", version="2.2").get_json()["keypair"]["type"] == "ssh"
    assert nouns.delete("/os-keypairs/mine", version="2.2").status_code == 204


def test_a_pair_made_here_works(nouns: NounsUnderTest) -> None:
    made = nouns.post("/os-keypairs", {"keypair": {"name": "new"}}).get_json()["keypair"]
    private = load_ssh_private_key(made["private_key"].encode(), None)
    kind, blob = made["public_key"].split()[:2]
    told = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert told == f"{kind} {blob}"
    assert "private_key" not in nouns.get("/os-keypairs/new").get_json()["keypair"]


def test_certificates(nouns: NounsUnderTest) -> None:
    body = {"keypair": {"name": "win", "type": "x509"}}
    made = nouns.post("/os-keypairs", body, version="2.2").get_json()["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    private = load_pem_private_key(made["private_key"].encode(), None)
    assert certificate.public_key() == private.public_key()
    again = {"keypair": {"name": "copy", "type": "x509", "public_key": made["public_key"]}}
    copied = nouns.post("/os-keypairs", again, version="2.92").get_json()["keypair"]
    assert (copied["fingerprint"], copied["type"]) == (made["fingerprint"], "x509")
    assert len(made["fingerprint"]) == 59  # SHA-1


def test_from_2_92_keys_are_only_imported(nouns: NounsUnderTest) -> None:
    reply = nouns.post("/os-keypairs", {"keypair": {"name": "new"}}, version="2.92")
    assert (reply.status_code, "keypair.public_key. It is required" in message(reply)) == (400, True)
    assert make(nouns, "me@here.example", version="2.91").status_code == 400
    assert make(nouns, "me@here.example", version="2.92").status_code == 201
    assert nouns.get("/os-keypairs/me@here.example", version="2.92").status_code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "keypair.name"),
        ({"name": "x" * 256}, "keypair.name"),
        ({"name": "a/b"}, "a name may hold"),
        ({"name": "a.b"}, "a name may hold"),
        ({"name": "käse"}, "a name may hold"),
        ({"name": " a"}, "blanks"),
        ({"name": 5}, "must be a string"),
        ({"public_key": None}, "keypair.public_key"),
        ({"public_key": "nonsense"}, "type of an SSH public key"),
        ({"public_key": ""}, "one line"),
        ({"public_key": "ssh-rsa"}, "not a key of type ssh-rsa"),
        ({"public_key": "ssh-rsa !!!!"}, "not base64"),
        ({"public_key": ED25519.replace("ssh-ed25519", "ssh-rsa")}, "not a key of type ssh-rsa"),
        ({"public_key": ED25519[:50]}, "not"),
        ({"public_key": f"{ED25519}\n{ED25519}"}, "one line"),
        ({"public_key": "ssh-rsa " + "A" * 20000}, "at most"),
        ({"type": "x509"}, "X.509"),
        ({"type": "dsa"}, "keypair.type"),
        ({"colour": "blue"}, "colour"),
        ({"user_id": ""}, "user_id"),
    ],
)
def test_bad_keypairs_are_refused(nouns: NounsUnderTest, changes: dict[str, Any], words: str) -> None:
    body = {"keypair": {"name": "mine", "public_key": ED25519, **changes}}
    reply = nouns.post("/os-keypairs", body, version="2.10")
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert names(nouns) == []


def test_a_second_one_of_the_same_name(nouns: NounsUnderTest) -> None:
    make(nouns)
    reply = make(nouns)
    assert (reply.status_code, message(reply)) == (409, "Key pair 'mine' already exists.")
    assert make(nouns, token="other").status_code == 200  # names are the user's own


def test_admins_handle_keypairs_of_others_from_2_10(nouns: NounsUnderTest) -> None:
    assert make(nouns, version="2.9", user_id="u-member").status_code == 400
    assert make(nouns, version="2.10", user_id="u-member", token="admin").status_code == 201
    assert names(nouns) == ["mine"]
    assert names(nouns, "?user_id=u-member", version="2.10", token="admin") == ["mine"]
    assert names(nouns, "?user_id=u-member", version="2.9", token="admin") == []
    path = "/os-keypairs/mine?user_id=u-member"
    assert nouns.get(path, version="2.10", token="admin").status_code == 200
    assert nouns.get(path, version="2.9", token="admin").status_code == 404
    assert nouns.get(path, version="2.10", token="other").status_code == 403
    assert nouns.delete(path, version="2.10", token="other").status_code == 403
    assert make(nouns, "x", version="2.10", user_id="u-admin").status_code == 403
    assert nouns.delete(path, version="2.10", token="admin").status_code == 204
    assert names(nouns) == []


def test_pages_from_2_35(nouns: NounsUnderTest) -> None:
    for name in "cadb":
        make(nouns, name)
    assert names(nouns, "?limit=2") == ["a", "b", "c", "d"]
    first = nouns.get("/os-keypairs?limit=2", version="2.35").get_json()
    assert [one["keypair"]["name"] for one in first["keypairs"]] == ["a", "b"]
    path = first["keypairs_links"][0]["href"].removeprefix("http://localhost/v2.1/os-keypairs")
    assert names(nouns, path, version="2.35") == ["c", "d"]
    assert "keypairs_links" not in nouns.get("/os-keypairs?limit=5", version="2.35").get_json()
    assert nouns.get("/os-keypairs?marker=none", version="2.35").status_code == 400
    assert nouns.statements("/os-keypairs", version="2.35") == 1


def test_quota_of_keypairs(nouns: NounsUnderTest) -> None:
    body = {"quota_set": {"key_pairs": 1}}
    assert nouns.put(f"/os-quota-sets/{PROJECT}", body, token="admin").status_code == 200
    make(nouns, "one")
    reply = make(nouns, "two")
    assert reply.status_code == 403
    assert message(reply) == "Quota exceeded for key_pairs: Requested 1, but already used 1 of 1 key_pairs"
    assert names(nouns) == ["one"]


def test_the_fingerprint_is_the_md5_of_the_key() -> None:
    assert keys.import_ssh(ED25519).fingerprint == MD5
