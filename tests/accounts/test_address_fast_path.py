"""The short way of checking an address gives what the library gives, for whatever is typed."""

import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError

LOCALS = st.one_of(
    st.text("abcXYZ019.+-_", min_size=1, max_size=70),
    st.sampled_from(["info", "Info", "POSTMASTER", "abuse", "zahra.m", "a" * 64, "a" * 65, "müller", '"q"', "a'b"]),
    st.text(min_size=1, max_size=8),
)
DOMAINS = st.one_of(
    st.lists(st.text("abcXYZ019-", min_size=1, max_size=12), min_size=1, max_size=4).map(".".join),
    st.sampled_from(["example.org", "EXAMPLE.Org", "post.test", "x.invalid", "localhost", "xn--mnchen-3ya.de",
                     "münchen.de", "a.b-.com", "1.2.3.4", "example.c", "example.123", "a" * 63 + ".com", "a..b.com"]),
)  # fmt: skip


def by_the_library(text):
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except (EmailNotValidError, UnicodeError):
        return None
    local, domain = unicodedata.normalize("NFC", checked.local_part), checked.ascii_domain.lower()
    return f"{local}@{domain}", f"{local.casefold()}@{domain}"


def by_us(text):
    try:
        found = addresses.parse(text)
    except RuleError as error:
        return error.code if error.code in {"invalid", "role"} else f"unexpected: {error.code}"
    return found.typed, found.canonical


@settings(max_examples=600, deadline=None)
@given(LOCALS, DOMAINS)
@example("a" * 64, ".".join(["b" * 61] * 3) + ".org")
def test_the_short_way_equals_the_library(local, domain):
    text = addresses.pasted(f"{local}@{domain}")
    if not text or len(text) > 254:
        return
    expected = by_the_library(text)

    found = by_us(text)

    if found == "role":
        assert expected is not None
        assert expected[1].partition("@")[0] in addresses.ROLE_ACCOUNTS
    else:
        assert found == ("invalid" if expected is None else expected)


@pytest.mark.parametrize("typed", ["zahra@example.org", "Zahra.M+x@Example.ORG"])
def test_a_stored_address_is_parsed_to_itself(typed):
    stored = addresses.parse(typed)

    assert addresses.parse(stored.typed) == stored
