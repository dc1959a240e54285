"""What the query of GET /servers means: who may use which key, from which version on, and what it asks for."""

from __future__ import annotations

from typing import Any

from novalite.objects.servers import ServerQuery
from tests.api.conftest import ServersUnderTest
from tests.api.scripted import SERVER
from tests.api.support import ADMIN_PROJECT, OTHER_PROJECT, PROJECT, message

DEFAULT = (("created_at", "desc"), ("id", "desc"))


def query(api: ServersUnderTest, asked: str, version: str = "latest", token: str = "admin") -> ServerQuery:
    """What the conductor is asked for."""
    reply = api.get(f"/servers?{asked}", version=version, token=token)
    assert reply.status_code == 200, (asked, message(reply))
    return api.servers.seen[-1]  # type: ignore[no-any-return]


def test_filters_are_read(api: ServersUnderTest) -> None:
    for asked, meant in (
        (
            "config_drive=yes&power_state=1&host=alpha",
            {"config_drive": True, "power_state": 1, "host": "alpha"},
        ),
        ("status=active&status=error", {"status": ["ACTIVE", "ERROR"]}),
        ("task_state=", {"task_state": None}),
        ("image=", {"image": None}),
        ("tags=a,b&not-tags=c", {"tags": ["a", "b"], "not-tags": ["c"]}),
        (f"uuid={SERVER}&uuid=x&uuid=x", {"uuid": [SERVER, "x"]}),
        ("flavor=1&flavor=2", {"flavor": "2"}),
        ('metadata={"a": "b"}', {"metadata": {"a": "b"}}),
        ('metadata=[{"a": "b"}, {"c": "d"}]', {"metadata": {"a": "b", "c": "d"}}),
        ("auto_disk_config=auto", {"auto_disk_config": "AUTO"}),
        ("auto_disk_config=false", {"auto_disk_config": "MANUAL"}),
        ("locked=True&node=n&locked_by=owner", {"locked": True, "node": "n", "locked_by": "owner"}),
        ("created_at=2026-01-31T10:00:00Z", {"created_at": "2026-01-31T10:00:00.000000"}),
    ):
        assert query(api, asked).filters == meant, asked
    asked = query(api, "limit=0")
    assert (asked.limit, asked.project_id, asked.deleted, asked.sort) == (0, ADMIN_PROJECT, False, DEFAULT)
    assert query(api, "limit=5000").limit == 1000


def test_the_order_takes_its_directions_in_turn_and_ends_unique(api: ServersUnderTest) -> None:
    for asked, order in (
        ("", DEFAULT),
        ("sort_dir=asc", (("created_at", "asc"), ("id", "asc"))),
        ("sort_key=uuid", (("uuid", "desc"), *DEFAULT)),
        ("sort_key=display_name&sort_dir=asc&sort_key=locked",
         (("display_name", "asc"), ("locked", "asc"), ("created_at", "asc"), ("id", "asc"))),
        ("sort_key=host&sort_dir=desc&sort_key=created_at&sort_dir=asc",
         (("host", "desc"), ("created_at", "asc"), ("id", "desc"))),
        ("sort_key=vcpus&sort_key=node", (("node", "desc"), *DEFAULT)),
        ("sort_key=node&sort_key=node", (("node", "desc"), *DEFAULT)),
    ):  # fmt: skip
        assert query(api, asked).sort == order, asked
    assert query(api, "sort_key=locked", version="2.72").sort == DEFAULT, "accepted, and no order before 2.73"


def test_what_is_gone_is_shown_to_those_who_ask(api: ServersUnderTest) -> None:
    for asked, deleted, soft in (
        ("", False, False),
        ("deleted=1", True, True),
        ("deleted", True, True),
        ("deleted=False", False, False),
        ("soft_deleted=1", False, True),
        ("deleted=1&soft_deleted=0", True, False),
        ("status=DELETED", True, True),
        ("status=SOFT_DELETED", False, False),
        ("status=SOFT_DELETED&deleted=1", True, True),
        ("status=SOFT_DELETED&soft_deleted=1", False, True),
        ("vm_state=soft-delete", False, False),
        ("status=DELETED&status=ACTIVE", False, False),
        ("deleted=maybe", False, False),
        ("changes-since=2026-01-01", None, None),
        ("changes-before=2026-01-01", None, None),
        ("changes-since=2026-01-01&deleted=0", False, False),
    ):
        found = query(api, asked)
        assert (found.deleted, found.soft_deleted) == (deleted, soft), asked
    found = query(api, "changes-since=2026-01-01T01:00:00%2B01:00", token="member")
    assert (found.changes_since, found.deleted) == ("2026-01-01T00:00:00.000000", None)
    assert query(api, "deleted=1&soft_deleted=1", token="member").deleted is False, "quietly dropped"
    assert query(api, "status=DELETED&status=ACTIVE", token="member").deleted is False


def test_whose_servers_are_listed(api: ServersUnderTest) -> None:
    for token, asked, project in (
        ("admin", "all_tenants=1", None),
        ("admin", "all_tenants", None),
        ("admin", "all_tenants=0", ADMIN_PROJECT),
        ("admin", f"all_tenants=1&tenant_id={PROJECT}", PROJECT),
        ("admin", f"all_tenants=1&project_id={PROJECT}", PROJECT),
        ("admin", f"tenant_id={PROJECT}", ADMIN_PROJECT),
        ("admin", f"tenant_id={PROJECT}&all_tenants=0", ADMIN_PROJECT),
        ("admin", f"project_id={PROJECT}", ADMIN_PROJECT),
        ("member", f"tenant_id={OTHER_PROJECT}", PROJECT),
        ("member", "all_tenants=0", PROJECT),
    ):
        assert query(api, asked, token=token).project_id == project, (token, asked)
    assert api.get("/servers?all_tenants=1", version="latest").status_code == 403


def test_user_data_is_fetched_for_those_who_see_it(api: ServersUnderTest) -> None:
    for path, version, token, wanted in (
        ("/servers/detail", "latest", "admin", True),
        ("/servers/detail", "2.2", "admin", False),
        ("/servers/detail", "latest", "member", False),
        ("/servers", "latest", "admin", False),
    ):
        assert api.get(path, version=version, token=token).status_code == 200
        assert api.servers.seen[-1].user_data is wanted, (path, version, token)


def test_address_filters_match_nothing_without_a_network_service(api: ServersUnderTest) -> None:
    for asked in ("ip=10.0", "ip6=fe80", "ip=10.0&ip6=fe80"):
        assert api.get(f"/servers?{asked}", version="2.5").get_json() == {"servers": []}
    assert api.servers.seen == []
    assert query(api, "ip6=fe80", version="2.4", token="member").filters == {}, "members may ask from 2.5 on"


def test_unknown_status(api: ServersUnderTest) -> None:
    assert api.get("/servers?status=jolly", version="2.37").get_json() == {"servers": []}
    assert api.get("/servers?status=jolly", version="2.38").status_code == 400
    assert query(api, "status=jolly&status=ACTIVE").filters == {"status": ["ACTIVE"]}


NONSENSE: list[tuple[str, int, str]] = [
    ("limit=-1", 400, "limit"),
    ("limit=many", 400, "limit"),
    ("sort_key=colour", 400, "sort_key"),
    ("sort_dir=up", 400, "sort_dir"),
    ("sort_dir=asc&sort_dir=asc", 400, "sort_dir"),
    ("sort_key=uuid&sort_dir=asc&sort_dir=asc", 400, "sort_dir"),
    ("sort_key=host", 403, "host"),
    ("changes-since=yesterday", 400, "changes-since"),
    ("changes-since=2026-01-02&changes-before=2026-01-01", 400, "changes-since"),
    ("name=%5B", 400, "regular expression"),
    ("ip=%5B", 400, "regular expression"),
    ("name=" + "a" * 256, 400, "too long, the limit is 255 characters"),
    ("all_tenants=perhaps", 400, "boolean"),
    ("status=deleted", 403, "deleted"),
    ("power_state=on", 400, "power_state"),
    ("locked=maybe", 400, "locked"),
    ("metadata=a", 400, "object"),
    ('metadata={"a": 1}', 400, "object"),
    ("metadata=[[]]", 400, "object"),
    ("auto_disk_config=x", 400, "boolean"),
    ("flavor=" + "x" * 2000, 400, "too long"),
    ("colour=red", 400, "colour"),
]


def test_queries_that_make_no_sense(api: ServersUnderTest) -> None:
    for asked, status, words in NONSENSE:
        reply = api.get(f"/servers/detail?{asked}", version="latest")
        assert (reply.status_code, words in message(reply)) == (status, True), (asked, message(reply))
    assert api.servers.seen == []
    assert query(api, "colour=red", version="2.74").filters == {}


def test_pages_are_linked_with_everything_that_was_asked(api: ServersUnderTest) -> None:
    reply: Any = api.get("/servers/detail?limit=1&name=w&sort_key=uuid", version="latest").get_json()
    (link,) = reply["servers_links"]
    assert link["rel"] == "next"
    assert link["href"].endswith(f"/v2.1/servers/detail?limit=1&name=w&sort_key=uuid&marker={SERVER}")
