from campaign.views.access import Access, allow, rule_of
from tests.kit.sites import make_web
from tests.kit.worlds import World, make_world
from tests.views.conftest import Site


def test_every_route_declares_who_may_open_it(site: Site):
    without = [rule.rule for rule in site.app.url_map.iter_rules() if rule_of(site.app, rule.endpoint) is None]

    assert without == []


def test_a_route_without_a_rule_is_never_served(world: World):
    app = make_web(world.runtime)
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")

    answer = app.test_client().get("/forgotten")

    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_routes_that_hold_a_token_are_declared_as_such(site: Site):
    rules = {
        rule.rule: rule_of(site.app, rule.endpoint)
        for rule in site.app.url_map.iter_rules()
        if "<token>" in rule.rule or "<ref>" in rule.rule
    }

    assert set(rules.values()) == {Access.TOKEN}
    assert len(rules) >= 6


def test_reading_never_changes_anything(site: Site):
    signature_id = site.signature()
    before = site.world.row(signature_id)
    paths = [site.confirm(signature_id), site.own(signature_id), site.unsubscribe(signature_id)]
    paths += [f"{paths[0]}/decline", f"{paths[1]}/withdraw", f"{paths[1]}/erase", f"{paths[1]}/export.json"]

    answers = [method(path) for path in paths for method in (site.client.get, site.client.head) for _ in range(2)]

    assert {answer.status_code for answer in answers} == {200}
    assert site.world.row(signature_id) == before


def test_the_mailbox_is_closed_where_a_real_mail_server_is_set(site: Site):
    assert site.get("/mailbox").status_code == 404
    assert site.get("/mailbox/messages.json").status_code == 404


def test_the_mailbox_is_open_with_the_local_mail_server(database_url, tmp_path):
    world = make_world(database_url, tmp_path, local_mailbox="yes")
    client = make_web(world.runtime).test_client()

    assert client.get("/mailbox").status_code == 200
    assert client.get("/mailbox/messages.json").json == []
    world.runtime.close()


def test_a_rule_is_read_from_the_view_itself():
    @allow(Access.TOKEN)
    def view() -> str:
        return ""

    assert view.access_rule is Access.TOKEN
