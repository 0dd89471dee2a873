from tests.views.conftest import Site


def test_signing_and_pressing_the_button_leads_to_thanks(site: Site):
    asked = site.sign()

    pressed = site.post(site.confirm_path())

    assert asked.status_code == 200, asked.text
    assert pressed.status_code == 303
    assert pressed.location.startswith("/p/clean-rivers/thanks")


def test_own_page(site: Site):
    site.signed()
    page = site.get(site.own_path())
    assert page.status_code == 200
    for action in ("hide_name","show_name","updates","no_updates","withdraw"):
        assert site.post(site.own_path(), {"action": action}).status_code == 303, action
    assert site.get(site.own_path()+"/export.json").status_code == 200
    assert site.post(site.unsubscribe_path(), {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.post(site.own_path(), {"action": "erase"}).status_code == 200
