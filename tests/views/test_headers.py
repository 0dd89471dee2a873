import pytest

from campaign.views.rendering import asset
from tests.kit.sites import borrow_web
from tests.kit.worlds import make_world
from tests.views.conftest import SLUG, Site, words


@pytest.mark.parametrize(
    "path", ["/", f"/p/{SLUG}", f"/p/{SLUG}/count.json", "/c/x", "/nothing", "/static/site.css", "/healthz", "/privacy"]
)
def test_every_answer_carries_the_headers_of_safety(site: Site, path: str):
    headers = site.get(path).headers

    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Permissions-Policy" in headers
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:8000", "", "a b"])
def test_a_request_for_another_host_is_refused(site: Site, host: str):
    for path in ("/", f"/p/{SLUG}", "/c/x", "/nothing"):
        answer = site.get(path, headers={"Host": host})

        assert answer.status_code == 400
        assert "evil" not in answer.text


def test_links_come_from_the_base_url_whatever_a_proxy_says(site: Site):
    page = site.get(f"/p/{SLUG}", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})

    assert page.status_code == 200
    assert "evil.example" not in page.text
    assert 'content="http://localhost:8000/p/clean-rivers?lang=en"' in page.text


def test_a_site_on_https_asks_browsers_to_stay_there(database_url, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nnever read here\n")
    world = make_world(
        database_url, tmp_path, base_url="https://petitions.example.org", dkim_key_file=str(key), proxies="1"
    )
    client = borrow_web(world.runtime).test_client()

    answer = client.get("/privacy", headers={"Host": "petitions.example.org"})

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert client.get("/privacy", headers={"Host": "localhost"}).status_code == 400
    world.runtime.close()


def test_a_static_file_named_by_its_content_may_be_kept_for_a_year(site: Site):
    named = site.get(asset("site.css"))
    plain = site.get("/static/site.css")

    assert "immutable" in named.headers["Cache-Control"]
    assert "immutable" not in plain.headers.get("Cache-Control", "")


def test_a_browser_that_has_a_named_file_is_told_again_that_it_may_keep_it(site: Site):
    tag = site.get(asset("site.css")).headers["ETag"]

    again = site.get(asset("site.css"), headers={"If-None-Match": tag})

    assert again.status_code == 304
    assert "immutable" in again.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/none.css?v=0123456789ab", 404),
        ("/static/site.css?v=0123456789ab", 200),
        ("/static/site.css?v=", 200),
        (f"/static/./{asset('site.css').removeprefix('/static/')}", 200),
        (asset("site.css").replace("site.css", "admin.css"), 200),
    ],
)
def test_only_a_file_with_the_hash_of_its_content_may_be_kept_for_a_year(site: Site, path: str, status: int):
    answer = site.get(path)

    assert answer.status_code == status
    assert "immutable" not in answer.headers["Cache-Control"]
    assert "max-age=31536000" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/privacy", 405), ("GET", "/p/none", 404), ("POST", "/p/none/sign", 404)],
)
def test_errors_have_the_same_calm_page(site: Site, method: str, path: str, status: int):
    answer = site.client.open(f"{path}?lang=en", method=method, data=site.form() if method == "POST" else None)

    assert answer.status_code == status
    assert f"Error {status}" in words(answer)
    assert "All petitions" in words(answer)
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_unexpected_error_tells_nobody_what_was_typed(site: Site, caplog: pytest.LogCaptureFixture):
    def broken() -> str:
        raise ValueError("zahra@example.org")

    broken.access_rule = site.app.view_functions["public.privacy"].access_rule
    site.app.view_functions["public.privacy"] = broken

    answer = site.get("/privacy?lang=en")

    assert answer.status_code == 500
    assert "Something went wrong on our side" in words(answer)
    assert "zahra" not in answer.text
    assert "ValueError" in caplog.text
    assert "zahra" not in caplog.text
