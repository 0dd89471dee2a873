"""Hints for slips in the domain of an address."""

import pytest

from campaign.accounts.typos import LARGE_DOMAINS, REAL_DOMAINS, suggest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmial.com", "gmail.com"),
        ("gamil.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmail.cm", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("hotmai.com", "hotmail.com"),
        ("yaho.com", "yahoo.com"),
        ("yahooo.com", "yahoo.com"),
        ("outlok.com", "outlook.com"),
        ("web.d", "web.de"),
        ("gmx.dd", "gmx.de"),
        ("gmail.ru", "mail.ru"),
        ("iclod.com", "icloud.com"),
        ("GMIAL.com", "gmail.com"),
        ("yahoo.com.pkk", "yahoo.com.pk"),
        ("gmail.ir", "gmail.com"),
        ("gmail.com.pk", "gmail.com"),
        ("gmail.com.com", "gmail.com"),
        ("icloud.de", "icloud.com"),
        ("gmx.con", "gmx.com"),
        ("ymail.con", "ymail.com"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(typed, meant):
    assert suggest(f"zahra+x@{typed}") == f"zahra+x@{meant}"


@pytest.mark.parametrize("domain", [*LARGE_DOMAINS, *sorted(REAL_DOMAINS)])
def test_a_real_domain_is_no_slip(domain):
    assert suggest(f"zahra@{domain}") is None


@pytest.mark.parametrize(
    "typed", ["example.org", "uni-koeln.de", "hrcp-web.org", "xn--mnchen-3ya.de", "a.b", "ok.ru", "kabul.af"]
)
def test_other_domains_are_left_alone(typed):
    assert suggest(f"zahra@{typed}") is None


@pytest.mark.parametrize(
    "typed",
    ["yahoo.co.id", "yahoo.com.ph", "yahoo.be", "hotmail.ca", "hotmail.gr", "outlook.cz", "outlook.sa", "live.in"],
)
def test_the_domain_of_a_provider_in_another_country_is_no_slip(typed):
    assert suggest(f"zahra@{typed}") is None


@pytest.mark.parametrize("typed", ["", "@", "zahra", "@gmial.com", "zahra@", "zahra@" + "a" * 300])
def test_what_is_no_address_has_no_hint(typed):
    assert suggest(typed) is None
