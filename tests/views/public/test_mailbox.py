from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from campaign.local.mailserver.mailbox import MailboxRules
from campaign.local.mailserver.protocol import Transaction
from tests.kit.sites import make_web
from tests.kit.worlds import World, make_world

MAIL = """From: Countersign <petitions@countersign.test>
To: zahra@example.org
Subject: =?utf-8?q?Confirm_=E2=80=93_please?=
X-Countersign-Kind: confirmation
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

Press: http://localhost:8000/c/token-1
<b>not bold</b>
--b
Content-Type: text/html; charset=utf-8

<html><head><title>x</title></head><body><script>alert(1)</script><p>Press</p></body></html>
--b--
""".replace("\n", "\r\n").encode()


@pytest.fixture
def local(database_url, tmp_path) -> Iterator[World]:
    world = make_world(database_url, tmp_path, local_mailbox="yes")
    yield world
    world.runtime.close()


@pytest.fixture
def client(local: World) -> FlaskClient:
    return make_web(local.runtime).test_client()


def receive(world: World, *, to: str = "zahra@example.org", mail: bytes = MAIL) -> None:
    MailboxRules(world.runtime.settings.mailbox_folder).message(Transaction("bounce@countersign.test", [to]), mail)


def test_the_list_for_programs_is_newest_first(local: World, client: FlaskClient):
    receive(local, to="first@example.org")
    receive(local, to="second@example.org")

    listed = client.get("/mailbox/messages.json").json

    assert [mail["to"] for mail in listed] == ["second@example.org", "first@example.org"]
    assert set(listed[0]) == {"id", "to", "from", "subject", "kind", "received_at"}
    assert (listed[0]["subject"], listed[0]["kind"]) == ("Confirm – please", "confirmation")


def test_a_mail_is_given_back_byte_for_byte(local: World, client: FlaskClient):
    receive(local)
    mail_id = client.get("/mailbox/messages.json").json[0]["id"]

    answer = client.get(f"/mailbox/{mail_id}.eml")

    assert answer.data == MAIL
    assert answer.mimetype == "message/rfc822"


def test_a_mail_is_read_as_page_text_and_source(local: World, client: FlaskClient):
    receive(local)
    mail_id = client.get("/mailbox/messages.json").json[0]["id"]

    listed = client.get("/mailbox?lang=en").text
    page = client.get(f"/mailbox/{mail_id}?lang=en").text

    assert f"/mailbox/{mail_id}" in listed
    assert "Confirm – please" in page
    assert '<a href="http://localhost:8000/c/token-1">' in page
    assert "&lt;b&gt;not bold&lt;/b&gt;" in page
    assert "sandbox=" in page


def test_the_html_of_a_mail_can_do_nothing(local: World, client: FlaskClient):
    receive(local)
    mail_id = client.get("/mailbox/messages.json").json[0]["id"]

    answer = client.get(f"/mailbox/{mail_id}/html")

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert '<base target="_blank">' in answer.text


@pytest.mark.parametrize("mail_id", ["nothing", "..%2F..%2Fetc", "0" * 25, "0000000000000000-00000000"])
def test_a_mail_that_is_not_there_is_not_found(client: FlaskClient, mail_id: str):
    for path in (f"/mailbox/{mail_id}", f"/mailbox/{mail_id}.eml", f"/mailbox/{mail_id}/html"):
        assert client.get(path).status_code == 404


def test_a_broken_mail_is_shown_all_the_same(local: World, client: FlaskClient):
    receive(local, mail=b"Content-Type: text/plain; charset=no-such\r\nSubject: \xff\xfe\r\n\r\n\xff\x00body")
    mail_id = client.get("/mailbox/messages.json").json[0]["id"]

    assert client.get(f"/mailbox/{mail_id}").status_code == 200


def test_a_long_list_has_pages(local: World, client: FlaskClient):
    for number in range(101):
        receive(local, to=f"person{number}@example.org")

    first, second = client.get("/mailbox?lang=en").text, client.get("/mailbox?lang=en&page=2").text

    assert "person100@example.org" in first
    assert "person0@example.org" not in first
    assert "person0@example.org" in second
