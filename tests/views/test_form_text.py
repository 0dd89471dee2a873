"""Forms in charsets of other times: decoded by what they declare, or asked for again; never stored as nobody typed."""

import re
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.views.form_text import fields
from tests.views.conftest import SLUG, Site, words

FORM = "application/x-www-form-urlencoded"


def press(site: Site, name: bytes, *, charset: str = "", asked: str = "", raw: bool = False):
    """Send the form with a name in bytes of some charset."""
    rest = {key: value for key, value in site.form(name=None).items() if key != "website"}
    body = urlencode(rest | ({"_charset_": asked} if asked else {})).encode()
    body += b"&name=" + (re.sub(rb"[&#;]", _escaped, name) if raw else quote_from_bytes(name).encode())
    kind = f"{FORM}; charset={charset}" if charset else FORM
    return site.client.post(f"/p/{SLUG}/sign?lang=en", data=body, content_type=kind)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def shown_name(site: Site) -> str:
    """The name that the confirmation page reads out."""
    page = words(site.get(f"{site.confirm(site.last)}?lang=en"))
    return page.partition("You are signing as ")[2].partition(". ")[0]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("name", "coded", "charset", "asked"),
    [
        ("René Müller", "cp1252", "iso-8859-1", ""),
        ("René Müller", "cp1252", "", "windows-1252"),
        ("زهرا احمدی", "cp1256", "windows-1256", ""),
        ("Зоя Петрова", "koi8-r", "KOI8-R", ""),
        ("王小明", "gbk", "", "GBK"),
        ("朱镕基", "gbk", "gb2312", ""),
        ("髙橋", "cp932", "Shift_JIS", ""),
        ("สมชาย ใจดี", "cp874", "windows-874", ""),
        ("똠방각하", "cp949", "euc-kr", ""),
        ("Işık Şahin", "cp1254", "iso-8859-9", ""),
        ("زهرا احمدی", "utf-8", "utf-8", ""),
        ("زهرا احمدی", "utf-8", "", "UTF-8"),
        ("زهرا احمدی", "utf-8", "", ""),
        ("زهرا احمدی", "utf-8", "no-such-charset", ""),
    ],
)
def test_a_form_is_read_by_the_charset_it_declares(
    site: Site, name: str, coded: str, charset: str, asked: str, *, raw: bool
):
    # The Persian ye is not in Windows-1256: browsers send it as a reference.
    sent = name.encode(coded, "xmlcharrefreplace")

    answer = press(site, sent, charset=charset, asked=asked, raw=raw)

    assert answer.status_code == 303
    site.world.admit()
    assert shown_name(site) == name


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("charset", ["", "utf-7", "zlib", "utf-8"])
def test_bytes_that_are_no_text_are_asked_for_again_and_the_rest_is_kept(site: Site, charset: str, *, raw: bool):
    answer = press(site, "René Müller".encode("latin-1"), charset=charset, raw=raw)

    assert answer.status_code == 422
    assert "Some letters arrived unreadable" in words(answer)
    assert 'value="Ren\ufffd M\ufffdller"' in answer.text
    assert 'value="zahra@example.org"' in answer.text
    assert '<option value="DE" selected>' in answer.text
    assert "%E9" not in answer.text
    assert site.world.sql("select 1 from sign_up_request") == []


def test_every_form_asks_for_utf_8(site: Site):
    signature_id = site.signature()
    paths = [f"/p/{SLUG}", f"/p/{SLUG}/code", "/c/none", "/sign-in", site.confirm(signature_id)]

    pages = [site.get(path).text for path in paths]
    site.post(site.confirm(signature_id))
    pages.append(site.get(site.own(signature_id)).text)

    assert all(page.count("<form") == page.count('accept-charset="utf-8"') > 0 for page in pages)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_no_bytes_break_the_reading(body: bytes, declared: str):
    for name, value in fields(body, declared):
        (name + value).encode()
