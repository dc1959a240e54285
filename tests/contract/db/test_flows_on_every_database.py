"""The whole control plane means the same on SQLite, PostgreSQL and MariaDB: flows, races, pages, filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from novalite.context import Context
from novalite.db import allocations, servers
from novalite.db.models.compute import Host, Server, new_id
from novalite.errors import ClaimLost, DatabaseBusy, NovaliteError
from novalite.objects.servers import CreateServers, ServerQuery
from novalite.rpc.contracts.servers import Servers, Tasks
from novalite.states import ACTIONS
from tests.cloud import Cloud
from tests.flows.harness import check_invariants

UNLIMITED = {f"quota.{name}": -1 for name in ("instances", "cores", "ram")}
THREADS = 8


@pytest.fixture
def cloud(cloud_url: str | None, tmp_path: Path) -> Iterator[Cloud]:
    """A control plane over a fresh database of each kind."""
    with Cloud(tmp_path, hosts=("alpha", "beta"), url=cloud_url, overrides=UNLIMITED) as made:
        yield made


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What `count` threads got, errors included."""

    def guarded(number: int) -> Any:
        try:
            return work(number)
        except NovaliteError as error:
            return type(error).__name__

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(guarded, range(count)))


# --- flows -----------------------------------------------------------------------------------


def test_a_life(cloud: Cloud) -> None:
    server = cloud.boot("web")
    for verb, state in (
        ("pause", "paused"), ("unpause", "active"), ("suspend", "suspended"), ("resume", "active"),
        ("stop", "stopped"), ("start", "active"), ("reboot", "active"), ("reboot_hard", "active"),
    ):  # fmt: skip
        assert verb in ACTIONS
        cloud.act(server, verb)
        assert (cloud.show(server)["vm_state"], cloud.show(server)["task_state"]) == (state, None), verb
        check_invariants(cloud)
    cloud.delete(server)
    assert cloud.show(server)["deleted"] is True


def test_an_evacuation(cloud: Cloud) -> None:
    member = cloud.rest()
    cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
    server = cloud.boot("web", image_id=member.image())
    cloud.stop_host(lost := cloud.show(server)["host"])
    cloud.act(server, "evacuate", stop=True)
    assert (cloud.show(server)["vm_state"], cloud.show(server)["host"] != lost) == ("stopped", True)
    cloud.start_host(lost)
    check_invariants(cloud)
    check_invariants(cloud)


def test_failures_are_undone(cloud: Cloud) -> None:
    cloud.fail_everywhere("spawn", "no luck", times=None)
    server = cloud.create("web")
    assert cloud.show(server)["vm_state"] == "error"
    assert "no luck" in cloud.show(server)["fault"]["message"]
    check_invariants(cloud)


# --- races -----------------------------------------------------------------------------------


def test_racing_claims_fill_a_host_exactly(cloud: Cloud) -> None:
    with cloud.db.begin() as session:
        room = {"cap_vcpus": 3, "cap_ram_mb": 10**6, "cap_disk_gb": 10**6}
        session.execute(update(Host).where(Host.host == "alpha").values(**room))
        seen = session.execute(select(Host.generation).where(Host.host == "alpha")).scalar_one()
    one = allocations.Amount(1, 64, 1)
    taken = at_once(
        lambda n: cloud.db.run(lambda s: allocations.claim(s, f"server-{n}", "alpha", seen, one) and "taken")
    )
    assert sorted(taken) == [ClaimLost.__name__] * (THREADS - 3) + ["taken"] * 3
    with cloud.db.read() as session:
        host = session.execute(select(Host).where(Host.host == "alpha")).scalar_one()
        assert (host.used_vcpus, host.used_ram_mb, host.used_disk_gb, host.servers) == (3, 192, 3, 3)
        assert allocations.totals(session)["alpha"] == allocations.Amount(3, 192, 3)
    freed = at_once(lambda n: cloud.db.run(lambda s: allocations.release(s, f"server-{n % 4}")))
    assert sum(len(hosts) for hosts in freed) == len({n % 4 for n in range(THREADS)} & _holders(taken))
    with cloud.db.read() as session:
        host = session.execute(select(Host).where(Host.host == "alpha")).scalar_one()
        held = allocations.totals(session).get("alpha", allocations.Amount(0, 0, 0))
        used = allocations.Amount(host.used_vcpus, host.used_ram_mb, host.used_disk_gb)
        assert used == held


def _holders(taken: list[str]) -> set[int]:
    return {number for number, answer in enumerate(taken) if answer == "taken"}


def test_racing_boots_fill_hosts_exactly(cloud: Cloud) -> None:
    with cloud.db.begin() as session:
        session.execute(update(Host).values(cap_vcpus=2, cap_ram_mb=10**6, cap_disk_gb=10**6))
    made = at_once(lambda n: cloud.create(f"web-{n}"))
    states = sorted(cloud.show(server)["vm_state"] for server in made)
    assert states == ["active"] * 4 + ["error"] * (THREADS - 4)
    check_invariants(cloud)


def test_racing_creates_keep_to_the_quota(cloud: Cloud) -> None:
    member = cloud.rest()
    limits = {"quota_set": {"instances": 3}}
    assert cloud.rest("admin")("PUT", f"/os-quota-sets/{member.project_id}", limits).status_code == 200
    ctx = cloud.ctx.model_copy(update={"project_id": member.project_id})
    body = CreateServers(name="web", flavor_id=cloud.flavor_id, networks="none")
    answers = at_once(lambda _: cloud.client.of(Servers).create(ctx, body) and "made")
    assert sorted(answers) == ["OverQuota"] * (THREADS - 3) + ["made"] * 3


def test_racing_actions_are_one(cloud: Cloud) -> None:
    server = cloud.boot("web")
    answers = at_once(lambda _: cloud.act(server, "stop") or "taken")
    assert sorted(answers) == ["InvalidServerState"] * (THREADS - 1) + ["taken"]
    assert cloud.show(server)["vm_state"] == "stopped"
    check_invariants(cloud)


def test_racing_pokes_and_sweeps_run_a_task_once(cloud: Cloud) -> None:
    body = CreateServers(name="web", flavor_id=cloud.flavor_id, networks="none")
    accepted = cloud.client.of(Servers).create(cloud.ctx, body)
    with cloud.bus.recording() as sent:
        at_once(lambda _: cloud.client.of(Tasks).poke(cloud.ctx, list(accepted.task_ids)))
    assert [e.name for e in sent].count("guests.spawn") == 1
    assert cloud.show(accepted.server_ids[0])["vm_state"] == "active"
    check_invariants(cloud)


def test_racing_deletes_and_actions_end_deleted(cloud: Cloud) -> None:
    server = cloud.boot("web")
    at_once(lambda n: cloud.delete(server) if n % 2 else cloud.act(server, "reboot_hard"))
    cloud.recover()
    assert cloud.show(server)["deleted"] is True
    check_invariants(cloud)


IMPATIENT = {
    # how a transaction says that it waits a second for a lock
    "postgresql": "SET LOCAL lock_timeout = '500ms'",
    "mysql": "SET innodb_lock_wait_timeout = 1",
}


def test_racing_changes_of_metadata_all_count(cloud: Cloud) -> None:
    server = cloud.boot("web")
    conductor = cloud.client.of(Servers)
    at_once(lambda n: conductor.set_metadata(cloud.ctx, server, {f"key{n}": "value"}))
    assert len(cloud.show(server)["metadata"]) == THREADS


def test_a_lock_that_is_waited_for_in_vain_is_a_busy_database(cloud: Cloud) -> None:
    """And not an unreachable one: the transaction is worth another try."""
    impatient = IMPATIENT.get(cloud.db.dialect)
    if impatient is None:
        pytest.skip("one writer at a time")

    def change() -> None:
        with cloud.db.begin() as session:
            session.execute(text(impatient))
            session.execute(update(Host).where(Host.host == "alpha").values(uptime="1"))

    with cloud.db.begin() as session:
        session.execute(update(Host).where(Host.host == "alpha").values(uptime="2"))
        with pytest.raises(DatabaseBusy):
            change()
    change()


# --- pages -----------------------------------------------------------------------------------

KEYS = [
    "key_name", "description", "launched_at", "name", "vm_state", "created_at", "locked", "host",
    "config_drive",
]  # fmt: skip


def _rows(cloud: Cloud, *changes: dict[str, Any]) -> list[str]:
    """Servers like one that was booted, with changes."""
    first = cloud.boot("first")
    table = Server.__table__
    with cloud.db.begin() as session:
        row = session.execute(table.select().where(table.c.id == first)).mappings().one()  # type: ignore[attr-defined]
        same = {key: value for key, value in row.items() if key not in ("number", "id")}
        ids = [new_id() for _ in changes]
        servers.create(session, [{**same, "id": i, **change} for i, change in zip(ids, changes, strict=True)])
    return [first, *ids]


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_hold_every_row_once_also_with_nulls(cloud: Cloud, direction: Any) -> None:
    keys: list[str | None] = [None, "b", None, "a", "B", "é", None, "a"]
    made = _rows(cloud, *[_variant(key) for key in keys])
    for key in KEYS:
        for limit in (1, 2, 4, 100):
            assert _walk(cloud, ((key, direction),), limit) == _walk(cloud, ((key, direction),), 1000), key
        assert sorted(_walk(cloud, ((key, direction), ("id", "asc")), 3)) == sorted(made), key


def _variant(key: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {"key_name": key, "description": key, "config_drive": key == "b"}
    if key == "a":
        values["locked_by"] = "owner"
    if key == "b":
        values |= {"launched_at": None, "host": None}
    return values


def _walk(cloud: Cloud, sort: Any, limit: int) -> list[str]:
    """Ids of all pages, one after the other."""
    found: list[str] = []
    while True:
        marker = found[-1] if found else None
        page = cloud.page(ServerQuery(sort=sort, limit=limit, marker=marker, detail=False))
        found += [row["id"] for row in page]
        if len(page) < limit:
            return found
        assert len(found) < 1000, "pages go round in circles"


def test_nulls_come_last_in_both_directions(cloud: Cloud) -> None:
    first, without, b, a = _rows(cloud, {"key_name": None}, {"key_name": "b"}, {"key_name": "a"})
    with cloud.db.begin() as session:
        servers.change(session, first, key_name="c")
    assert _walk(cloud, (("key_name", "asc"),), 2) == [a, b, first, without]
    assert _walk(cloud, (("key_name", "desc"),), 2) == [first, b, a, without]


# --- filters ---------------------------------------------------------------------------------

NAMES = ["web-1", "web-10", "db.1", "Web", "a+b", "ünïcode-日本", "tab"]
FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": "^web"}, ["web-1", "web-10"]),
    ({"name": "web-1$"}, ["web-1"]),
    ({"name": "1"}, ["web-1", "web-10", "db.1"]),
    ({"name": r"^db\.1$"}, ["db.1"]),
    ({"name": r"^[a-z]+-\d+$"}, ["web-1", "web-10"]),
    ({"name": r"a\+b"}, ["a+b"]),
    ({"name": "^(web|db)"}, ["web-1", "web-10", "db.1"]),
    ({"name": "日本"}, ["ünïcode-日本"]),
    ({"name": "^.{3}$"}, ["Web", "a+b", "tab"]),
    ({"name": "nothing"}, []),
    ({"vm_state": "active"}, NAMES),
    ({"vm_state": ["active", "error"]}, NAMES),
    ({"vm_state": "error"}, []),
    ({"task_state": None}, NAMES),
    ({"power_state": 1}, NAMES),
    ({"config_drive": False}, NAMES),
    ({"config_drive": True}, []),
    ({"locked": True}, []),
    ({"locked": False}, NAMES),
    ({"status": "ACTIVE"}, NAMES),
    ({"status": ["ERROR", "SHUTOFF"]}, []),
    ({"tags": ["blue"]}, ["web-1"]),
    ({"tags": ["Blue"]}, []),
    ({"tags-any": ["blue", "日本"]}, ["web-1", "ünïcode-日本"]),
    ({"not-tags-any": ["blue", "日本"]}, ["web-10", "db.1", "Web", "a+b", "tab"]),
    ({"tags": ['qu"ote']}, ["tab"]),
    ({"host": "nowhere"}, []),
    ({"created_at": "2020-01-01T00:00:00.000000"}, []),
    ({"created_at": "2090-01-01T00:00:00.000000"}, []),
]
TAGS = {"web-1": ["blue"], "ünïcode-日本": ["日本"], "tab": ['qu"ote']}


def test_filters_find_the_same_everywhere(cloud: Cloud) -> None:
    first, *_ = _rows(cloud, *({"name": name, "tags": TAGS.get(name, [])} for name in NAMES))
    cloud.delete(first)
    for filters, names in FILTERS:
        query = ServerQuery(filters=filters, sort=(("id", "asc"),))
        assert sorted(row["name"] for row in cloud.page(query)) == sorted(names), filters


def test_a_pattern_no_database_takes_is_the_callers_mistake(cloud: Cloud) -> None:
    member = cloud.rest()
    for pattern in ("[", "(", "*a", "a{2,1}", "(?P<n>a)(?P=n)", "\\", "(?<=a)b", "[[:nope:]]", "a" * 300):
        reply = member("GET", "/servers", query_string={"name": pattern})
        assert reply.status_code in (200, 400), (pattern, reply.text)
        reply = member("GET", "/servers", query_string={"name": pattern, "limit": 1})
        assert reply.status_code in (200, 400), (pattern, reply.text)


# --- values ----------------------------------------------------------------------------------

TEXTS = ["日本語", "😀 emoji", "é vs e\u0301", 'quote" back\\slash', "{json: [1]}", "null", "x" * 255, " ", "%s"]


def test_texts_come_back_as_they_went_in(cloud: Cloud) -> None:
    metadata = {f"k{n}": value for n, value in enumerate(TEXTS)}
    for said in TEXTS:
        server = cloud.boot("n" + said[:200], description=said, metadata=metadata, tags=(said[:60],))
        shown = cloud.show(server)
        assert shown["name"] == "n" + said[:200]
        assert (shown["description"], shown["metadata"], shown["tags"]) == (said, metadata, [said[:60]])
        cloud.delete(server)


def test_ids_and_names_mind_their_case(cloud: Cloud) -> None:
    cloud.make_flavor("Tiny", vcpus=2, ram_mb=64, disk_gb=1)
    admin = cloud.rest("admin")
    assert admin.get("/flavors/Tiny")["flavor"]["vcpus"] == 2
    assert admin.get("/flavors/tiny")["flavor"]["vcpus"] == 1
    assert admin("GET", "/flavors/TINY").status_code == 404
    assert admin("GET", "/flavors/tiny ").status_code == 404


def test_times_keep_their_microseconds(cloud: Cloud) -> None:
    server = cloud.boot("web")
    shown = cloud.show(server)
    assert len(shown["created_at"].rpartition(".")[2]) >= 6, shown["created_at"]
    assert cloud.page(ServerQuery(changes_since=shown["updated_at"]))[0]["id"] == server
    assert cloud.page(ServerQuery(changes_before=shown["updated_at"]))[0]["id"] == server


# --- resizes ---------------------------------------------------------------------------------


def test_racing_resizes_take_exactly_what_there_is_and_one_end_wins(cloud: Cloud) -> None:
    """Room on both hosts for two more, asked for by four servers; then each is confirmed and reverted at once."""
    cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    made = [cloud.boot(f"web-{n}") for n in range(4)]
    with cloud.db.begin() as session:
        session.execute(update(Host).values(cap_vcpus=Host.used_vcpus + 2, cap_ram_mb=10**6, cap_disk_gb=10**6))
    at_once(lambda n: cloud.act(made[n], "resize", flavor_id="big"), 4)
    cloud.recover()
    resized = [server for server in made if cloud.show(server)["vm_state"] == "resized"]
    assert len(resized) == len({cloud.show(server)["host"] for server in made})
    check_invariants(cloud)
    for server in resized:
        answers = at_once(
            lambda n, s=server: cloud.act(s, "confirm_resize" if n % 2 else "revert_resize") or "taken", 4
        )
        assert answers.count("taken") == 1
    cloud.recover()
    assert {cloud.show(server)["vm_state"] for server in made} == {"active"}
    check_invariants(cloud)
