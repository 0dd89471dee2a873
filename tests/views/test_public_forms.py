"""Every public form, sent as nobody should: no traceback, no status that blames us, and a page that can be read."""

import re
from urllib.parse import quote, urlencode

import pytest

from tests.views.conftest import Site
from tests.views.test_cross_site import public_posts

FORM = "application/x-www-form-urlencoded"
FIELDS = ("name", "email", "country", "reason", "show_name", "wants_updates", "stamp", "website", "ref", "code",
          "action", "signer", "choice")  # fmt: skip

HOSTILE = {
    "nul": "%00a%00",
    "surrogate": "%ED%A0%80",
    "no text": "%FF%FE%E9",
    "broken escape": "%",
    "override": quote("\u202eevil\u2066"),
    "line breaks": "a%0D%0ABcc:%20all@example.org",
    "long": "x" * 4_000,
    "marks": quote("a" + "\u0301" * 900),
    "template": quote("{{7*7}}${7*7}%(name)s<script>alert(1)</script>"),
    "digits": quote("٠١٢٣٤٥٦۷۸۹"),
    "number": "-99999999999999999999999999",
    "empty": "",
}

BODIES = {name: "&".join(f"{field}={value}" for field in FIELDS).encode() for name, value in HOSTILE.items()} | {
    "no fields": b"",
    "repeated": "&".join(f"{field}=a&{field}=b" for field in FIELDS).encode() * 5,
    "unknown fields": urlencode({f"field{number}": "x" for number in range(500)}).encode(),
    "too many fields": b"&".join([b"a=b"] * 5_000),
    "no pairs": b"&&&==&=;&",
    "raw bytes": bytes(range(256)) * 8,
}

KINDS = {
    "json": ("application/json", b'{"name": "Zahra"}'),
    "text": ("text/plain", b"name=Zahra"),
    "none": ("", b"name=Zahra"),
    "odd": ('x;;;charset="', b"name=Zahra"),
    "no boundary": ("multipart/form-data", b"name=Zahra"),
    "broken boundary": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nz"),
    "file": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="name"; filename="a.exe"\r\n\r\n\x00\xff\r\n--x--\r\n',
    ),
    "part in latin": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nRen\xe9\r\n--x--\r\n',
    ),
    "many parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100 + b"--x--\r\n",
    ),
    "odd boundary": ("multipart/form-data; boundary=\u00e9", b"name=Zahra"),
    "unknown charset": (f"{FORM}; charset=\u00e9", b"name=Zahra"),
    "codec": (f"{FORM}; charset=unicode_escape", b"name=%5Cud800"),
}

REFUSALS = {303, 400, 404, 409, 410, 413, 422}


def check(site: Site, path: str, body: bytes, kind: str, why: str) -> None:
    answer = site.client.post(f"{path}?lang=en", data=body, content_type=kind)

    assert answer.status_code in {200, *REFUSALS}, f"{path}, {why}: {answer.status_code}"
    text = answer.get_data().decode()
    assert "Traceback" not in text
    assert "<script>alert" not in text
    assert "\x00" not in text
    assert not re.search("[\ud800-\udfff]", text)
    if answer.status_code == 422:
        assert 'class="field-error"' in text or "note-warn" in text or "summary" in text, f"{path}, {why}"


@pytest.mark.parametrize("name", BODIES)
def test_no_form_breaks_by_what_is_typed_in_it(site: Site, name: str):
    for path in sorted(public_posts(site)):
        check(site, path, BODIES[name], FORM, name)


@pytest.mark.parametrize("name", KINDS)
def test_no_form_breaks_by_how_it_is_sent(site: Site, name: str):
    kind, body = KINDS[name]
    for path in sorted(public_posts(site)):
        check(site, path, body, kind, name)


def test_a_form_with_the_charset_of_no_text_keeps_what_could_be_read(site: Site):
    form = site.form(name="Zahra", email="not an address", reason="I swim.")

    answer = site.client.post(
        "/p/clean-rivers/sign?lang=en", data=urlencode(form), content_type=f"{FORM}; charset=nonsense"
    )

    assert answer.status_code == 422
    assert 'value="not an address"' in answer.text
    assert "I swim.</textarea>" in answer.text


def test_a_field_that_comes_twice_counts_once(site: Site):
    form = [*site.form().items(), ("name", "Another Name"), ("email", "other@example.org")]

    assert site.client.post("/p/clean-rivers/sign", data=urlencode(form), content_type=FORM).status_code == 303
    site.world.admit()
    assert len(site.world.sql("select id from signature")) == 1
