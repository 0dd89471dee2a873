import psycopg
import pytest

from campaign.database import migrate
from campaign.errors import StoreUnavailableError
from campaign.runtime import build
from campaign.views.current import PAUSE, LazyRuntime
from campaign.views.site import own_origins, trusted_hosts
from tests.kit.engines import with_database
from tests.kit.waiting import until
from tests.kit.worlds import settings_for
from web import create_app


def test_an_application_is_made_from_settings_alone(database_url, redis_url, tmp_path):
    settings = settings_for(database_url, tmp_path, redis_url=redis_url)

    app = create_app(settings)

    assert app.test_client().get("/healthz").status_code == 200
    app.extensions["countersign"].close()


@pytest.fixture
def late_database(database_url):
    """A database that is not there yet, and how to make it; dropped afterwards."""
    name = f"{database_url.rpartition('/')[2].partition('?')[0]}_late"

    def run(statement):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(statement)

    def make():
        run(f"CREATE DATABASE {name}")
        migrate.upgrade(with_database(database_url, name))

    yield with_database(database_url, name), make
    run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_a_process_that_starts_before_its_database_serves_as_soon_as_that_is_there(late_database, redis_url, tmp_path):
    url, make = late_database
    app = create_app(settings_for(url, tmp_path, redis_url=redis_url))
    client = app.test_client()

    waiting = [client.get(path) for path in ("/healthz", "/", "/p/any", "/u/token")]
    make()
    until(lambda: client.get("/healthz").status_code == 200)

    assert {answer.status_code for answer in waiting} == {503}
    assert "We’re briefly unavailable" in waiting[1].text
    assert waiting[1].headers["Retry-After"]
    assert client.get("/").status_code == 200
    app.extensions["countersign"].close()


def test_while_the_database_is_away_few_requests_wait_for_it(database_url, tmp_path):
    now, tries = [0.0], []
    runtime = build(settings_for(database_url, tmp_path))

    def make():
        tries.append(now[0])
        if now[0] < 2 * PAUSE:
            raise StoreUnavailableError("away")
        return runtime

    opening = LazyRuntime(make, clock=lambda: now[0])
    for _ in range(5):
        with pytest.raises(StoreUnavailableError):
            opening.runtime()
    now[0] += 2 * PAUSE

    assert [opening.runtime(), opening.runtime()] == [runtime, runtime]
    assert tries == [0.0, 2 * PAUSE]
    opening.close()


def test_a_local_site_answers_to_every_local_name_and_a_public_one_to_its_own(database_url, tmp_path):
    local = settings_for(database_url, tmp_path)
    public = local.replace(base_url="https://petitions.example.org")

    assert trusted_hosts(local) == ["127.0.0.1", "::1", "localhost"]
    assert trusted_hosts(public) == ["petitions.example.org"]
    assert own_origins(public) == {"https://petitions.example.org"}
    assert "http://127.0.0.1:8000" in own_origins(local)


def test_keys_that_do_not_fit_a_database_that_came_late_are_said_in_the_log_and_answered_with_503(
    database_url, tmp_path, caplog
):
    now, tries = [0.0], []

    def make():
        tries.append(1)
        if len(tries) == 1:
            raise StoreUnavailableError("not up yet")
        return build(settings_for(database_url, tmp_path, keys="k1:" + "A" * 43 + "="))

    build(settings_for(database_url, tmp_path)).close()
    opening = LazyRuntime(make, clock=lambda: now[0])
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            opening.runtime()
        now[0] += PAUSE

    assert len(tries) == 2
    assert "COUNTERSIGN_KEYS" in caplog.text
