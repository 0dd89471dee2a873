"""Site settings and switches: what an admin changes, and what supporters and the monitor then see."""

import io

import pytest
from werkzeug.test import TestResponse

from campaign.operations import monitor
from campaign.operations import site as operations_site
from campaign.petitions import petitions
from campaign.site.colours import ENOUGH, contrast, derived
from campaign.site.current import SwitchName, site_of
from tests.kit import nights
from tests.kit.nights import Night
from tests.views.conftest import words

night = nights.night

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


def public(night: Night, path: str) -> TestResponse:
    night.app.extensions["page cache"].clear()
    return night.app.test_client().get(path, buffered=True)


def stop(night: Night, switch: str, *, press: str = "stop") -> TestResponse:
    return night.press(f"/admin/site/switches/{switch}", press=press, why="forged sign-ups")


def form(night: Night, slug: str) -> dict[str, str]:
    stamp = public(night, f"/p/{slug}?lang=en").text.partition('name="stamp" value="')[2].partition('"')[0]
    return {"name": "Zahra Ahmadi", "email": "zahra@example.org", "country": "DE", "stamp": stamp, "website": ""}


def test_a_name_set_by_an_admin_is_on_pages_and_in_emails_and_the_default_comes_back(night: Night):
    saved = night.press("/admin/site", site_name="Free Rivers", postal_address="Spree 1, Berlin")
    page = public(night, "/?lang=en")
    night.world.signature(night.world.petition())
    deliverer = night.world.deliverer()
    deliverer.drain()
    mail = deliverer.transport.sent[0].data.decode()
    night.press("/admin/site", default="site_name", site_name="Free Rivers")

    assert saved.status_code == 303
    assert "Free Rivers" in words(page)
    assert "Spree 1, Berlin" in mail
    assert "Free Rivers" in mail
    assert "Countersign" in words(public(night, "/?lang=en"))
    assert night.world.sql("select detail->>'before', detail->>'after' from audit_entry where action = 'site.set'") == [
        ("", "Free Rivers"),
        ("", "Spree 1, Berlin"),
        ("Free Rivers", ""),
    ]


def test_a_colour_on_which_white_text_can_not_be_read_is_refused_with_its_contrast(night: Night):
    refused = night.press("/admin/site", accent="#ffcc00", site_name="Kept as typed")
    night.press("/admin/site", accent="#0B6E4F")
    page = public(night, "/?lang=en")

    assert refused.status_code == 422
    assert "has a contrast of 1.5 to 1" in words(refused)
    assert "Kept as typed" in refused.text
    assert "/site/colours/0b6e4f.css" in page.text
    assert "--ink: #0b6e4f" in public(night, "/site/colours/0b6e4f.css").text


@pytest.mark.parametrize("accent", ["#000000", "#1f3bb3", "#0b6e4f", "#767676", "#b0211a"])
def test_derived_colours_can_be_read_in_the_light_and_in_the_dark(accent: str):
    for half in derived(accent):
        assert contrast(half["--ink"], half["--on-ink"]) >= ENOUGH


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"", PNG + b"0" * 200 * 1024])
def test_what_is_no_small_picture_is_not_taken_as_the_logo(night: Night, content: bytes):
    refused = night.press("/admin/site/logo", logo=(io.BytesIO(content), "logo.png"))

    assert refused.status_code == 422
    assert site_of(night.world.runtime).logo == ""


def test_the_logo_is_served_under_its_hash_with_the_name_of_the_site(night: Night):
    night.press("/admin/site/logo", logo=(io.BytesIO(PNG), "logo.png"))
    address = f"/site/logo/{site_of(night.world.runtime).logo}"
    served = public(night, address)

    assert f'src="{address}" alt="Countersign"' in public(night, "/?lang=en").text
    assert (served.data, served.mimetype) == (PNG, "image/png")
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in served.headers["Cache-Control"]


def test_while_signing_is_paused_nothing_is_taken_and_nothing_typed_is_lost_and_links_still_work(night: Night):
    slug = night.world.petition()
    typed, before = form(night, slug), night.world.signature(slug, "first@example.org")
    stop(night, "signing")
    page = public(night, f"/p/{slug}?lang=en")
    answer = night.app.test_client().post(f"/p/{slug}/sign?lang=en", data=typed)
    link = night.app.test_client().post(f"/c/{night.world.confirm_token(before)}")

    assert "Signing is paused at the moment" in words(page)
    assert 'name="email"' not in page.text
    assert answer.status_code == 503
    assert "Your signature wasn’t recorded" in words(answer)
    assert 'value="zahra@example.org"' in answer.text
    assert night.world.admit().total() == 0
    assert link.status_code == 303
    assert night.world.count(slug) == 1
    assert "Signing is paused." in words(night.get("/admin"))

    stop(night, "signing", press="resume")

    assert night.app.test_client().post(f"/p/{slug}/sign?lang=en", data=typed).status_code == 303


def test_a_frozen_count_is_not_moved_and_the_page_says_since_when(night: Night):
    slug = night.world.petition()
    stop(night, "counting")
    night.world.signature(slug, confirmed=True)

    frozen = night.world.count(slug)
    page = public(night, f"/p/{slug}?lang=en")
    stop(night, "counting", press="resume")

    assert frozen == 0
    assert "The count has been paused since" in words(page)
    assert night.world.count(slug) == 1


def test_hidden_names_are_on_no_page(night: Night):
    slug = night.world.petition()
    night.world.signature(slug, confirmed=True, show_name=True, name="Zahra Ahmadi")
    night.world.count(slug)
    shown = public(night, f"/p/{slug}?lang=en")
    stop(night, "names")
    petitions.forget(night.world.runtime, slug)

    assert "Zahra Ahmadi" in shown.text
    assert "Zahra Ahmadi" not in public(night, f"/p/{slug}?lang=en").text


def test_the_pause_of_all_sending_is_that_of_both_lanes(night: Night):
    night.world.signature(night.world.petition())
    stop(night, "sending")
    deliverer = night.world.deliverer()
    deliverer.drain()
    taken = monitor.take(night.world.runtime)

    assert deliverer.transport.sent == []
    assert [flow.paused_reason for flow in taken.lanes] == ["forged sign-ups"] * 2
    assert [one.name for one in taken.switches] == [SwitchName.SENDING]
    assert monitor.document(taken)["switches"][0]["reason"] == "forged sign-ups"

    stop(night, "sending", press="resume")

    assert operations_site.switches(night.world.runtime) == {}


def test_a_switch_needs_a_reason_and_a_second_press_changes_nothing(night: Night):
    asked = night.get("/admin/site/switches/signing")
    empty = night.press("/admin/site/switches/signing", press="stop", why=" ")
    first, second = stop(night, "signing"), stop(night, "signing")

    assert "What will happen" in words(asked)
    assert [answer.status_code for answer in (empty, first, second)] == [422, 303, 409]
    noted = night.world.sql("select detail->>'before', detail->>'after' from audit_entry where action = 'site.switch'")
    assert noted == [("running", "stopped")]
