"""Domains that may be taken for another."""

import pytest

from campaign.accounts import addresses
from campaign.accounts.lookalikes import domain_in_letters, lookalike


@pytest.mark.parametrize(
    "domain", ["раураl.com", "gооgle.com", "mаil.example.org", "аре.com", "hαcker.org", "ɡmail.com", "paypaı.com"]
)
def test_a_domain_of_mixed_scripts_or_imitated_letters_is_named_and_stays_as_on_the_wire(domain):
    typed = addresses.parse(f"admin@{domain}").typed

    assert lookalike(typed) == domain
    assert domain_in_letters(typed) == typed
    assert "xn--" in typed


@pytest.mark.parametrize(
    "domain", ["münchen.de", "пример.рф", "مثال.ایران", "例子.中国", "example.org", "почта.com", "ışık.com"]
)
def test_an_honest_domain_is_shown_in_letters(domain):
    typed = addresses.parse(f"zahra@{domain}").typed

    assert lookalike(typed) is None
    assert domain_in_letters(typed) == f"zahra@{domain}"
