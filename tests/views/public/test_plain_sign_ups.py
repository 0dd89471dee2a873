"""Plain sign-ups are taken in front of Flask; nobody may notice, and the ledger least of all."""

import re
from io import BytesIO

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client
from werkzeug.wrappers import Request

from campaign.errors import StoreUnavailableError
from campaign.outbox.allowance import NETWORK_PER_HOUR
from campaign.petitions import petitions
from campaign.signatures import queries as signature_queries
from campaign.views.public import check_inbox
from campaign.views.public.plain_sign_ups import FORM_TYPE, LONGEST, PlainSignUps, fields_of
from tests.views.conftest import SLUG, Site


class Door:
    """The application after somebody signed a moment ago, and how often Flask itself was asked since the last look."""

    def __init__(self, site: Site) -> None:
        self.site, self.asked, self.is_away = site, 0, False
        self.typed = site.form(email="first@example.org")
        plain = PlainSignUps(
            self._flask, runtime=self._runtime, own_origins=site.app.config["OWN_ORIGINS"],
            pages=site.app.extensions[check_inbox.PAGES],
        )  # fmt: skip
        self._client = Client(plain, use_cookies=False)
        self.first, asked = self.sign()
        assert (self.first.status_code, asked) == (200, 1)

    def _flask(self, environ, start_response):
        self.asked += 1
        return Flask.wsgi_app(self.site.app, environ, start_response)

    def _runtime(self):
        if self.is_away:
            raise StoreUnavailableError("away")
        return self.site.runtime

    def sign(self, *, lang="en", headers=None, **typed):
        """Send the form; the answer, and whether Flask was asked."""
        form = {name: value for name, value in (self.typed | typed).items() if value is not None}
        query = f"?lang={lang}" if lang else ""
        answer = self._client.post(f"/p/{SLUG}/sign{query}", data=form, headers=headers, buffered=True,
                                   environ_base={"REMOTE_ADDR": "192.0.2.1"})  # fmt: skip
        asked, self.asked = self.asked, 0
        return answer, asked

    @property
    def rows(self):
        return self.site.world.sql("""
            select s.locale, s.country, s.show_name, s.wants_updates, s.reason is null, s.text_version_id, s.consent_id,
                s.updates_consent_id, cast(m.kind as text), m.lane, m.state
            from signature s left join message m on m.signature_id = s.id order by s.id, m.id""")


@pytest.fixture
def door(site: Site) -> Door:
    return Door(site)


def shape(answer):
    """All of an answer but what belongs to one signer: the handle, and the masked address."""
    body = re.sub(r'(name="handle" value=")[^"]+', r"\1", answer.text)
    headers = [(name, value) for name, value in answer.headers if name != "Content-Length"]
    return answer.status, headers, re.sub(r"[a-z]\S*@\S*?(?=[<\s])", "@", body)


def test_the_second_sign_up_of_a_moment_is_answered_without_flask_and_just_alike(door: Door):
    second, asked = door.sign(email="second@example.org")

    assert asked == 0
    assert shape(second) == shape(door.first)
    assert int(second.headers["Content-Length"]) == len(second.data)
    assert second.data != door.first.data
    assert len(door.rows) == 2
    assert len(set(door.rows)) == 1


def test_the_code_form_of_its_page_works(door: Door):
    answer, asked = door.sign(email="code@example.org")
    signed = door.site.last
    handle = re.search(r'name="handle" value="([^"]+)', answer.text)[1]

    confirmed = door.site.post(
        f"/p/{SLUG}/code?lang=en", {"handle": handle, "code": door.site.world.code(signed)}
    )  # fmt: skip

    assert asked == 0
    assert confirmed.status_code == 303
    assert door.site.world.state(signed) == "confirmed"


@pytest.mark.parametrize(
    ("typed", "headers", "status"),
    [
        ({"name": ""}, {}, 422),
        ({"name": None}, {}, 422),
        ({"email": "nobody"}, {}, 422),
        ({"country": "XX"}, {}, 422),
        ({"reason": "x" * 501}, {}, 422),
        ({"stamp": "forged"}, {}, 422),
        ({"stamp": None}, {}, 422),
        ({"website": "https://spam.example"}, {}, 200),
        ({}, {"Origin": "https://evil.example"}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Host": "evil.example"}, 400),
    ],
)
def test_what_is_not_plain_is_for_flask_and_nothing_is_stored(door: Door, typed, headers, status):
    answer, asked = door.sign(**{"email": "other@example.org"} | typed, headers=headers)

    assert (answer.status_code, asked) == (status, 1)
    assert len(door.rows) == 1


def test_a_known_mailbox_gets_the_same_answer_by_the_careful_way(door: Door):
    plain, first = door.sign(email="known@example.org")

    again, second = door.sign(email="known@example.org")

    assert (first, second) == (0, 1)
    assert shape(again) == shape(plain)
    assert len(door.rows) == 2


def test_a_network_that_has_used_its_allowance_gets_the_same_answer(door: Door):
    for number in range(NETWORK_PER_HOUR - 1):
        door.sign(email=f"p{number}@example.org")

    answer, asked = door.sign(email="over@example.org")

    assert asked == 1
    assert shape(answer) == shape(door.first)
    assert len(door.rows) == NETWORK_PER_HOUR + 1


def test_a_petition_that_closes_takes_nobody_any_more(door: Door):
    petitions.close(door.site.runtime, SLUG)

    answer, asked = door.sign(email="late@example.org")

    assert (answer.status_code, asked) == (409, 1)
    assert len(door.rows) == 1


def test_while_the_database_is_away_flask_has_the_word(door: Door):
    door.is_away = True

    _, asked = door.sign(email="away@example.org")

    assert asked == 1


def test_a_page_that_is_a_second_old_is_made_anew_by_flask(door: Door):
    door.site.app.extensions[check_inbox.PAGES].clear()

    answers = [door.sign(email=f"{number}@example.org") for number in range(2)]

    assert [asked for _, asked in answers] == [1, 0]
    assert shape(answers[0][0]) == shape(answers[1][0])


@pytest.mark.parametrize("lang", ["", "de", "fa", "xx"])
@pytest.mark.parametrize("accepts", ["", "de-AT,en;q=0.3", "ur"])
def test_the_language_is_the_one_that_flask_chooses(door: Door, lang: str, accepts: str):
    headers = {"Accept-Language": accepts} if accepts else {}
    door.site.app.extensions[check_inbox.PAGES].clear()
    answers = [door.sign(lang=lang, headers=headers, email=f"{number}@example.org") for number in range(2)]

    assert [asked for _, asked in answers] == [1, 0]
    assert shape(answers[0][0]) == shape(answers[1][0])
    assert len({row[0] for row in door.rows[1:]}) == 1


def test_a_form_in_any_script_is_stored_as_flask_would(door: Door):
    typed = {"name": "زهرا احمدی", "reason": "Flüsse & Seen + 100 %; <b>", "show_name": "yes", "wants_updates": "1"}
    _, by_door = door.sign(email="a@example.org", **typed)
    door.site.app.extensions[check_inbox.PAGES].clear()
    _, by_flask = door.sign(email="b@example.org", **typed)

    one, other = (door.site.world.read(lambda tx, id_=id_: _opened(door, tx, id_)) for id_ in _last_two(door))

    assert (by_door, by_flask) == (0, 1)
    assert one == other == ("زهرا احمدی", "Flüsse & Seen + 100 %; <b>")
    assert door.rows[1][2:4] == door.rows[2][2:4] == (True, True)


def _last_two(door):
    return [id_ for (id_,) in door.site.world.sql("select id from signature order by id desc limit 2")]


def _opened(door, tx, signature_id):
    row = signature_queries.by_id(tx, signature_id)
    key = door.site.world.opened(SLUG).open_key
    return tuple(signature_queries.open_field(key, row.id, field, getattr(row, field)) for field in ("name", "reason"))


PIECES = [
    "a",
    "name",
    "=",
    "==",
    "&",
    "&&",
    ";",
    "+",
    "%20",
    "%",
    "%zz",
    "%C3%BC",
    "%FF",
    "%00",
    "é",
    "\x00",
    " ",
    "&amp;",
]


def environ_of(body: bytes, **more):
    return {
        "REQUEST_METHOD": "POST", "CONTENT_TYPE": FORM_TYPE, "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    } | more  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_fields_are_read_as_flask_reads_them_or_left_to_it(text):
    body = text.encode()
    environ = environ_of(body)

    found = fields_of(environ)

    by_flask = Request(environ_of(body)).form
    assert found is None or found == {name: by_flask[name] for name in by_flask}
    assert environ["wsgi.input"].read() == body


@pytest.mark.parametrize(
    "more",
    [
        {"CONTENT_TYPE": "multipart/form-data; boundary=x"}, {"CONTENT_TYPE": ""}, {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": str(LONGEST + 1)}, {"CONTENT_LENGTH": "1e3"},
    ],
)  # fmt: skip
def test_an_unusual_request_is_not_touched(more):
    environ = environ_of(b"name=x", **more)

    assert fields_of(environ) is None
    assert environ["wsgi.input"].read() == b"name=x"


class Drops(BytesIO):
    """A body that comes in small pieces, as over a slow line."""

    def read(self, size=-1):
        return super().read(min(size, 7) if size >= 0 else 7)


def test_a_body_that_comes_in_pieces_is_read_whole():
    body = b"name=Zahra+Ahmadi&email=zahra%40example.org"
    environ = environ_of(body, **{"wsgi.input": Drops(body)})

    assert fields_of(environ) == {"name": "Zahra Ahmadi", "email": "zahra@example.org"}
    assert environ["wsgi.input"].read() == body


def test_a_body_that_breaks_off_is_left_to_flask():
    environ = environ_of(b"name=Zah", CONTENT_LENGTH="40")

    assert fields_of(environ) is None
    assert environ["wsgi.input"].read() == b"name=Zah"
