"""What the fault server lets come back of accepted mail."""

import json
import smtplib

import pytest

from campaign.errors import SettingsError
from campaign.feedback import applying
from campaign.feedback.lmtp import serve_lmtp
from campaign.feedback.maildir import read_maildir
from campaign.local.mailserver.faults import FaultServer
from campaign.local.mailserver.returns import ACTIONS, Return
from campaign.local.mailserver.script import Script
from campaign.local.servers import ports
from tests.feedback.kit import return_address
from tests.kit import ledgers
from tests.kit.waiting import until


def send(server, sender, *recipients):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=5) as client:
        for recipient in recipients:
            client.sendmail(sender, [recipient], b"Message-ID: <x@example.org>\r\n\r\nhello\r\n")


@pytest.mark.parametrize(
    ("action", "says", "known"),
    [
        ("failed", "550 5.1.1 No such mailbox", "bounced"), ("delayed", "451 4.4.1 No answer", "deferred"),
        ("delivered", "250 2.0.0 Ok", "delivered"), ("complaint", "", "complained"),
    ],
)  # fmt: skip
def test_what_comes_back_is_read_and_applied(world, tmp_path, action, says, known):
    [message_id] = ledgers.put(world, state="accepted", settled_at=-60)
    returns = (Return(says, action, domain="gone.test"),)
    with FaultServer(Script(returns=returns, return_to=f"maildir:{tmp_path}")) as server:
        send(server, return_address(world, message_id), "a@stays.test", "a@gone.test")
        server.rules.returner.close()

    read = read_maildir(world.runtime, tmp_path)
    applying.apply(world.runtime)

    assert sum(read.values()) == 1
    assert server.rules.returner.sent == {action: 1}
    assert world.sql("select came_back from message") == [(known,)]


def test_reports_go_by_lmtp_too(world):
    [message_id] = ledgers.put(world, state="accepted", settled_at=-60)
    url = f"lmtp://127.0.0.1:{ports.find_free('127.0.0.1')}"
    with serve_lmtp(world.runtime, url), FaultServer(Script(returns=(Return(delay=0.1),), return_to=url)) as server:
        send(server, return_address(world, message_id), "a@example.org")
        until(lambda: world.sql("select count(*) from delivery_event") == [(1,)])

    assert server.rules.returner.lost == 0


def test_a_script_tells_what_comes_back_and_where():
    told = {"return_to": "maildir:/tmp/x", "returns": [{"says": "552 5.2.2 Full", "odds": 0.5, "delay": 2}]}

    script = Script.from_json(json.dumps(told))

    assert script.returns == (Return("552 5.2.2 Full", odds=0.5, delay=2),)
    assert script.returns[0].status == "5.2.2"
    assert Return("no words", action="delayed").status == "4.0.0"
    assert set(ACTIONS) > {script.returns[0].action}


@pytest.mark.parametrize(
    "told",
    [{"returns": [{}]}, {"returns": [{"action": "lost"}]}, {"returns": [{}], "return_to": "ftp://x"}, {"returns": 7}],
)
def test_a_script_that_makes_no_sense_is_refused(told):
    with pytest.raises(SettingsError), FaultServer(Script.from_json(json.dumps(told))):
        pass
