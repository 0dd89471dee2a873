"""What `countersign doctor` says of mail servers: it signs in without sending, and sends only if that is asked for."""

import pytest

from campaign.checks import mail, relays
from campaign.checks.findings import Level
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.script import Fault
from campaign.security.keys import ensure_local_keys
from tests.kit.worlds import settings_for
from tests.mail.kit import script


def settings(tmp_path, url, **more):
    return settings_for("postgresql://unused/", tmp_path, smtp_url=url, **more)


def told(tmp_path, url, **more):
    """The finding about the one relay."""
    return relays.check_all(settings(tmp_path, url, **more))[-1]


def test_a_relay_that_signs_us_in_is_fine_and_gets_no_mail(tmp_path):
    with FaultServer(script(certificate=Certificate.GOOD, credentials=("ada", "se cret")), folder=tmp_path) as server:
        found = told(
            tmp_path, f"smtp+starttls://ada:se%20cret@localhost:{server.port}", smtp_ca_file=str(tmp_path / "ca.pem")
        )

        assert (found.level, "signs us in" in found.what) == (Level.FINE, True)
        assert server.rules.chances["mail"] == 0


@pytest.mark.parametrize(
    ("offered", "user", "words"),
    [
        ({"certificate": Certificate.EXPIRED}, "", "certificate"),
        ({"certificate": Certificate.WRONG_HOST}, "", "certificate"),
        ({}, "", "does not offer STARTTLS"),
        ({"certificate": Certificate.GOOD, "credentials": ("ada", "se cret")}, "ada:wrong@", "auth, 535"),
    ],
)
def test_what_a_relay_refuses_is_a_stop_with_a_remedy(tmp_path, offered, user, words):
    with FaultServer(script(**offered), folder=tmp_path) as server:
        url = f"smtp+starttls://{user}localhost:{server.port}"
        found = told(tmp_path, url, smtp_ca_file=str(tmp_path / "ca.pem"))

    assert (found.level, words in found.what, found.passes) == (Level.STOP, True, False), found
    assert "SMTP_URL" in found.remedy
    assert "wrong" not in found.sentence


def test_a_relay_that_is_away_may_come_back(tmp_path):
    with FaultServer() as server:
        url = f"smtp://127.0.0.1:{server.port}"
    found = told(tmp_path, url)

    assert (found.level, found.passes) == (Level.STOP, True)


def test_each_relay_of_several_has_a_finding_of_its_own(tmp_path):
    with FaultServer() as one, FaultServer(script(Fault("banner", "554 5.3.2 No"))) as other:
        made = settings(tmp_path, f"smtp://127.0.0.1:{one.port} smtp://127.0.0.1:{other.port}")
        found = {finding.check.rpartition(":")[2]: finding.level for finding in relays.check_all(made)[1:]}

    assert found == {str(one.port): Level.FINE, str(other.port): Level.STOP}


def test_a_url_that_would_send_a_password_in_clear_text_is_a_stop_without_a_connection(tmp_path):
    [found] = relays.check_all(settings(tmp_path, "smtp://ada:se%20cret@relay.example.org:25"))

    assert (found.level, "clear text" in found.what) == (Level.STOP, True)


def test_a_test_mail_goes_through_each_relay_and_the_answer_is_told(tmp_path):
    with FaultServer() as one, FaultServer(script(Fault("rcpt", "550 5.7.1 Relaying denied"))) as other:
        made = ensure_local_keys(settings(tmp_path, f"smtp://127.0.0.1:{one.port} smtp://127.0.0.1:{other.port}"))
        taken, refused = mail.send_all(made, "admin@example.org")

        [(sender, recipient, data)] = one.rules.received
    assert (taken.level, refused.level) == (Level.FINE, Level.STOP)
    assert "250" in taken.what
    assert "550 5.7.1 Relaying denied" in refused.what
    assert (sender.partition("@")[0], recipient) == ("doctor", "admin@example.org")
    assert data.startswith(b"DKIM-Signature:")
