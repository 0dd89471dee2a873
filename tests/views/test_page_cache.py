"""Public pages are answered in front of Flask: the same answer, at most a second old, in bounded memory."""

import pytest

from campaign.views import language
from campaign.views.page_cache import FRESH, MAX_BYTES, MAX_ENTRIES, RENEW, SECONDS, WHOLE, PageCache
from tests.kit.sites import make_web
from tests.kit.worlds import make_world
from tests.views.conftest import SLUG, Site

PAGES = ["/", f"/p/{SLUG}", f"/p/{SLUG}?lang=fa", f"/p/{SLUG}/count.json"]


class Kitchen:
    """An application that numbers its answers, and a memory before it whose clock stands still."""

    def __init__(self, control: str = FRESH, status: str = "200 OK", *, cookie: bool = False, size: int = 0) -> None:
        self.control, self.status, self.size = control, status, size
        self.more = [("Set-Cookie", "session=secret")] if cookie else []
        self.made, self.now, self.meanwhile = 0, 0.0, None
        self.kept = PageCache(self.cook, clock=lambda: self.now)

    def cook(self, _environ, start_response):
        self.made += 1
        body = str(self.made).encode().ljust(self.size)
        if self.meanwhile is not None:
            ask, self.meanwhile = self.meanwhile, None
            self.seen = ask()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("ETag", f'"{self.made}"')]
        start_response(self.status, [*headers, *self.more, ("Cache-Control", self.control)])
        return [body]

    def ask(self, path="/", *, method="GET", query="", **headers):
        answer = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **headers}
        body = self.kept(environ, lambda status, fields: answer.append((status, fields)))
        return answer[0][0][:3], b"".join(body).decode()


@pytest.mark.parametrize("path", PAGES)
def test_the_memory_gives_the_very_answer_that_flask_gave(site: Site, path: str):
    site.refresh()
    made = site.get(path)

    kept = site.get(path)

    assert (made.status, made.data, list(made.headers)) == (kept.status, kept.data, list(kept.headers))


def test_a_host_that_is_not_ours_is_refused_however_often_the_page_was_given(site: Site):
    given = [site.get(path).status_code for path in PAGES * 2]

    refused = [site.get(path, headers={"Host": "evil.example"}).status_code for path in PAGES * 2]

    assert set(given) == {200}
    assert set(refused) == {400}


def test_what_else_stands_in_one_readers_address_is_shown_to_nobody(site: Site):
    first = site.get(f"/p/{SLUG}?lang=en&fbclid=canary&email=canary%40example.org")
    second = site.get(f"/p/{SLUG}?lang=en")

    assert "canary" not in first.text + second.text
    assert first.data == second.data


def test_languages_are_told_apart_as_flask_tells_them(site: Site):
    queries = ["", "lang=fa", "lang=xx", "lang=", "lang", "lang=de&lang=fa", "%6Cang=fa", "a=b&lang=ur", "lang=f%61"]
    headers = [{}, {"Accept-Language": "de-AT,en;q=0.3"}, {"Accept-Language": "tlh"}]

    def ask(query: str, more: dict[str, str]) -> bytes:
        return site.get(f"/p/{SLUG}?{query}", headers=more).data

    kept = [ask(query, more) for query in queries for more in headers]
    alone = []
    for query in queries:
        for more in headers:
            site.refresh()
            alone.append(ask(query, more))

    assert kept == alone


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_that_has_the_page_is_not_sent_it_again(site: Site, path: str):
    site.refresh()
    tag = site.get(path).headers["ETag"]

    answers = []
    for _ in range(2):
        answers.append(site.get(path, headers={"If-None-Match": f'"other", W/{tag}'}))
        site.refresh()

    for answer in answers:
        assert (answer.status_code, answer.data) == (304, b"")
        assert {"ETag", "Cache-Control", "Vary"} - {name for name, _ in answer.headers} <= {"Vary"}
        assert "Content-Length" not in answer.headers
    assert {name for name, _ in answers[0].headers} == {name for name, _ in answers[1].headers}


def test_a_quiet_page_stays_the_same_for_a_minute(site: Site):
    site.world.clock.forward(seconds=-int(site.world.clock().timestamp()) % 60)
    tags = []
    for _ in range(3):
        site.refresh()
        tags.append(site.get(f"/p/{SLUG}").headers["ETag"])
        site.world.clock.forward(seconds=30)

    assert tags[0] == tags[1] != tags[2]


def test_an_answer_is_made_once_a_second():
    kitchen = Kitchen()

    first = [kitchen.ask()[1], kitchen.ask(query="utm_source=x")[1]]
    kitchen.now = SECONDS
    second = [kitchen.ask()[1], kitchen.ask()[1]]

    assert first == ["1", "1"]
    assert second == ["2", "2"]


def test_while_one_request_makes_the_next_answer_the_others_get_the_old_one():
    kitchen = Kitchen()
    kitchen.ask()

    kitchen.now, kitchen.meanwhile = RENEW, kitchen.ask
    renewed = kitchen.ask()[1]

    assert (kitchen.seen[1], renewed, kitchen.made) == ("1", "2", 2)


def test_no_answer_is_given_that_is_older_than_a_second():
    kitchen = Kitchen()
    kitchen.ask()

    kitchen.now, kitchen.meanwhile = SECONDS, kitchen.ask
    renewed = kitchen.ask()[1]

    assert kitchen.seen[1] == "3"
    assert renewed == "2"


@pytest.mark.parametrize("before", [[], ["/"]])
def test_a_page_that_is_made_for_a_browser_with_an_old_one_is_kept_for_all(before: list[str]):
    kitchen = Kitchen()
    for path in before:
        kitchen.ask(path)
    kitchen.made, kitchen.now = 1, SECONDS

    old = kitchen.ask(HTTP_IF_NONE_MATCH='"1"')
    same = kitchen.ask(HTTP_IF_NONE_MATCH='"2"')

    assert (old, same) == (("200", "2"), ("304", ""))
    assert kitchen.made == 2


@pytest.mark.parametrize(
    ("control", "status"), [("no-store", "200 OK"), (FRESH, "404 NOT FOUND"), ("public, max-age=3600", "200 OK")]
)
def test_only_what_a_view_calls_the_same_for_everybody_is_kept(control: str, status: str):
    kitchen = Kitchen(control, status)

    assert [kitchen.ask()[1], kitchen.ask()[1]] == ["1", "2"]


def test_a_page_that_ends_is_forgotten_at_once():
    kitchen = Kitchen()
    kitchen.ask()
    kitchen.now, kitchen.status = SECONDS, "404 NOT FOUND"

    assert [kitchen.ask()[0], kitchen.ask()[0]] == ["404", "404"]


def test_forms_and_questions_for_the_head_alone_go_to_flask():
    kitchen = Kitchen()

    assert [kitchen.ask(method=method)[1] for method in ("GET", "POST", "HEAD", "GET")] == ["1", "2", "3", "1"]


def test_what_sets_a_cookie_is_never_given_to_another():
    kitchen = Kitchen(cookie=True)

    assert [kitchen.ask()[1], kitchen.ask()[1]] == ["1", "2"]


def test_a_hundred_thousand_headers_and_queries_fill_no_memory():
    kitchen = Kitchen()

    for number in range(100_000):
        kitchen.ask(query=f"fbclid={number}", HTTP_ACCEPT_LANGUAGE=f"x{number},de", HTTP_USER_AGENT=f"{number}")

    assert (kitchen.made, len(kitchen.kept)) == (1, 1)


def test_of_a_header_only_a_bounded_part_is_remembered():
    language.preferred.cache_clear()

    chosen = {language.among("", f"de,{'x' * language.LONGEST_HEADER}{number}") for number in range(1_000)}

    assert chosen == {"de"}
    assert language.preferred.cache_info().currsize == 1


def test_many_spellings_of_the_host_fill_no_memory():
    kitchen = Kitchen()

    for port in range(2_000):
        kitchen.ask(HTTP_HOST=f"localhost:{port}")

    assert len(kitchen.kept) == MAX_ENTRIES


def test_the_bytes_of_all_answers_are_bounded():
    kitchen = Kitchen(size=WHOLE)

    for number in range(100):
        kitchen.ask(f"/p/{number}")

    assert kitchen.kept.size == MAX_BYTES
    assert len(kitchen.kept) == MAX_BYTES // WHOLE


def test_answers_that_have_expired_leave_with_the_next_one():
    kitchen = Kitchen()
    for number in range(10):
        kitchen.ask(f"/p/{number}")
    kitchen.now = SECONDS

    kitchen.ask("/")

    assert (len(kitchen.kept), kitchen.kept.size) == (1, 2)


def test_the_page_of_a_draft_is_never_kept_for_others(database_url, tmp_path):
    world = make_world(database_url, tmp_path)
    slug = world.petition("later", live=False)
    client = make_web(world.runtime).test_client()

    assert [client.get(f"/p/{slug}").status_code for _ in range(2)] == [404, 404]
    world.runtime.close()
