from dataclasses import replace

from tests.kit.worlds import settings_for
from web import create_app, own_origins, trusted_hosts


def test_an_application_is_made_from_settings_alone(database_url, redis_url, tmp_path):
    settings = settings_for(database_url, tmp_path, redis_url=redis_url)

    app = create_app(settings)

    assert app.test_client().get("/healthz").status_code == 200
    app.extensions["countersign"].close()


def test_a_local_site_answers_to_every_local_name_and_a_public_one_to_its_own(database_url, tmp_path):
    local = settings_for(database_url, tmp_path)
    public = replace(local, base_url="https://petitions.example.org")

    assert trusted_hosts(local) == ["127.0.0.1", "::1", "localhost"]
    assert trusted_hosts(public) == ["petitions.example.org"]
    assert own_origins(public) == {"https://petitions.example.org"}
    assert "http://127.0.0.1:8000" in own_origins(local)
