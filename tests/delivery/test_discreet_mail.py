"""Discreet mode: no byte of a mail tells which petition it is about."""

import re
from email import message_from_bytes, policy
from urllib.parse import unquote

from campaign.delivery import mailbox_preview
from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from campaign.settings import LANGUAGES
from campaign.states import MessageKind
from tests.kit.memory_transport import MemoryTransport

SLUG = "stop-the-quarry"
SECRETS = ("topaz", "verity quill", "quartz league", "basalt", SLUG, "onyx", "petition", "countersign site", "lazuli")
GROUP = "Quartz League"


def quarry(world):
    """A petition with telling words in every place; returns its id."""
    draft = petition_rules.Draft(
        title="Topaz for all", addressed_to="Ministry of Basalt", body="Lazuli.", summary="Lazuli", byline="Onyx"
    )
    new = petitions.NewPetition(slug=SLUG, author="Verity Quill", on_behalf_of=GROUP, sender_name="Quartz League")
    petitions.create(world.runtime, new, dict.fromkeys(LANGUAGES, draft))
    petitions.publish(world.runtime, SLUG)
    world.sql("update petition set discreet = true")
    petitions.forget(world.runtime, SLUG)
    return world.opened(SLUG).petition.id


def readable(data):
    """Every header and part of a mail, decoded, in lower case, without the address it comes from."""
    message = message_from_bytes(bytes(data), policy=policy.default)
    headers = [f"{name}: {value}" for name, value in message.items()]
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    whole = unquote("\n".join([*headers, *parts])).casefold()
    return re.sub(r"petitions@[a-z.]+", "", whole)


def telling(data):
    return [word for word in SECRETS if word in readable(data)]


def test_no_kind_of_mail_in_any_language_tells_the_petition(world):
    mails = list(mailbox_preview.discreet_mails(world.runtime, quarry(world)))
    assert len(mails) == 16 * len(LANGUAGES)
    assert {f"{kind} {locale}": telling(data) for kind, locale, data in mails if telling(data)} == {}


def test_the_mails_that_are_sent_on_the_way_of_a_signer_tell_nothing(world):
    quarry(world)
    transport = MemoryTransport()
    world.signature(SLUG, wants_updates=True)
    world.deliverer(transport=transport).drain()
    world.clock.forward(minutes=15)
    world.signature(SLUG, "second@example.org", confirmed=True)
    world.sign(SLUG, "second@example.org")
    world.deliverer(transport=transport).drain()
    sent = [bytes(envelope.data) for envelope in transport.sent]
    assert len(sent) == 2
    assert [telling(data) for data in sent if telling(data)] == []


def test_the_rows_of_the_preview_are_in_the_language_of_their_reader(world):
    rows = mailbox_preview.rows(world.runtime, quarry(world))
    said = {row.locale: (row.sender, row.subject) for row in rows if row.kind is MessageKind.CONFIRMATION}
    assert said["de"][1] == "Bitte bestätigen Sie Ihre E-Mail-Adresse"
    assert said["en"][0].startswith("Notification")
    assert all(row.preheader for row in rows)


def test_no_header_says_which_kind_of_mail_it_is_or_which_program_sends_it(world):
    petition_id = quarry(world)
    for _, _, data in mailbox_preview.discreet_mails(world.runtime, petition_id):
        message = message_from_bytes(bytes(data), policy=policy.default)
        said = "\n".join(f"{name}: {value}" for name, value in message.items() if name != "Subject").casefold()
        said = said.replace(f"@{world.runtime.settings.mail_domain}", "").replace(
            world.runtime.settings.mail_domain, ""
        )
        assert not re.search("countersign|milestone|update|signature|thank_you|confirmation", said), said
        assert f"p{petition_id}:" not in said


def test_one_list_identity_of_a_discreet_petition_serves_all_its_news(world):
    mails = mailbox_preview.discreet_mails(world.runtime, quarry(world))
    found = {
        (message["List-Id"].split("<")[1], message["Feedback-ID"])
        for message in (message_from_bytes(bytes(data), policy=policy.default) for _, _, data in mails)
        if message["List-Id"]
    }
    assert len(found) == 1
    assert re.fullmatch(r"[0-9a-f]{12}:::[0-9a-f]{12}", next(iter(found))[1])
