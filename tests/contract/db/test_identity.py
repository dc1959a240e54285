"""The identity service means the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from novalite.conductor.bootstrap import bootstrap
from novalite.context import system
from novalite.db.identity import login
from novalite.identity.passwords import Passwords
from novalite.objects.identity import Grant
from novalite.rpc.contracts.identity import Identity
from tests.api.companions import PASSWORD, Companions
from tests.api.identity.test_grants import (  # noqa: F401
    test_an_application_credential_logs_in_for_its_project,
    test_assignments_can_be_worked_out_and_named,
    test_groups_hand_roles_to_their_members,
    test_implied_roles,
    test_inherited_roles_count_below_their_target,
)
from tests.api.identity.test_records import (  # noqa: F401
    test_a_domain_goes_with_everything_in_it,
    test_a_name_is_free_in_another_domain,
    test_filters,
    test_pages,
    test_regions_form_a_tree,
    test_the_catalog_follows_services_and_endpoints,
)
from tests.api.identity.test_tokens import (  # noqa: F401
    test_a_deleted_token_is_void_in_every_worker,
    test_what_a_token_can_be_for,
)
from tests.contract.db.companion_clouds import cloud  # noqa: F401


def test_of_many_who_want_a_name_one_gets_it(cloud: Companions) -> None:  # noqa: F811
    identity = cloud.client.of(Identity)

    def make(_: int) -> str:
        try:
            identity.create(system(), "project", {"name": "wanted", "domain_id": "default"})
        except Exception as error:
            return type(error).__name__
        return "made"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(make, range(6)))
    assert sorted(answers) == ["Conflict"] * 5 + ["made"]


def test_the_same_role_given_by_many_is_given_once(cloud: Companions) -> None:  # noqa: F811
    identity, role = cloud.client.of(Identity), cloud.role("member")
    project, user = cloud.make("project", name="p")["id"], cloud.make("user", name="u")["id"]
    grant = Grant(actor="user", actor_id=user, target="project", target_id=project)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: identity.grant(system(), grant, role), range(6)))
    assert len(identity.granted(system(), grant)) == 1


def test_names_compare_exactly(cloud: Companions) -> None:  # noqa: F811
    for name in ("web", "Web", "wéb", "wèb", "日本"):
        assert cloud.make("project", name=name)["name"] == name


def test_bootstrap_may_run_again(cloud: Companions) -> None:  # noqa: F811
    before = cloud.v3("GET", "/role_assignments").get_json()["role_assignments"]
    old = cloud.admin
    bootstrap(cloud.db, PASSWORD, "http://elsewhere.test/", passwords=Passwords(1024, 1, 1))
    assert cloud.v3("GET", "/role_assignments").get_json()["role_assignments"] == before
    urls = {e["url"] for e in cloud.v3("GET", "/endpoints").get_json()["endpoints"]}
    paths = ("/identity/v3", "/v2.1", "/image", "/network", "/placement")
    assert urls == {f"http://elsewhere.test{path}" for path in paths}
    for network in (False, True):
        bootstrap(cloud.db, PASSWORD, "http://elsewhere.test", passwords=Passwords(1024, 1, 1), network=network)
        urls = {e["url"] for e in cloud.v3("GET", "/endpoints").get_json()["endpoints"]}
        assert ("http://elsewhere.test/network" in urls) is network
    bootstrap(cloud.db, "another", "http://elsewhere.test", passwords=Passwords(1024, 1, 1))
    assert cloud.auth(cloud.password("admin", PASSWORD)).status_code == 401
    assert cloud.login("admin", "another", "admin")
    cloud.identity.changed()
    assert cloud.v3("GET", "/projects", old).status_code == 401


def test_revocations_are_forgotten_when_their_tokens_are_gone(cloud: Companions) -> None:  # noqa: F811
    cloud.db.run(lambda session: login.revoke(session, ["user:x"], 1))
    with cloud.db.read() as session:
        news = login.revocations(session, None, 3600)
        assert ["user:x", 1] in news["events"]
        assert ["user:x", 1] in login.revocations(session, news["now"], 3600)["events"], "polls overlap"
    assert cloud.db.run(lambda session: login.purge_revocations(session, 3600)) == 0
    assert cloud.db.run(lambda session: login.purge_revocations(session, -1)) == 1
