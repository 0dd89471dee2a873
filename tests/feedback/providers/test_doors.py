"""What holds at the door of every provider: proof first, bounded, stored once, never a fault of ours."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.feedback import events, quarantine
from campaign.feedback.events import Event
from campaign.feedback.hooks import HOOKS
from campaign.feedback.providers.hook import Call
from campaign.local.servers import postgres
from campaign.mail.verp import Names
from campaign.security.encryption import Mac
from campaign.states import EventKind
from tests.feedback.providers import kit, payloads
from tests.feedback.providers.kit import START, Door, Request, Sent
from tests.kit.sites import borrow_web
from tests.kit.worlds import World, make_world, settings_for
from web import create_app

WRAP: dict[str, Callable[[object], Request]] = {
    "ses": kit.sns,
    "sendgrid": lambda told: kit.sendgrid([told]),
    "mailgun": kit.mailgun,
    "postmark": lambda told: kit.basic("postmark", told),
    "brevo": lambda told: kit.basic("brevo", told),
    "postal": kit.postal,
    "generic": kit.generic,
}
"""A proven call of each provider."""

BOUNCE: dict[str, Callable[[Sent], object]] = {
    "ses": lambda sent: payloads.ses_bounce(
        sent, status="5.1.1", diagnosticCode=f"smtp; 550 5.1.1 <{kit.SOMEONE}>: user unknown"
    ),
    "sendgrid": payloads.sendgrid_bounce,
    "mailgun": payloads.mailgun_bounce,
    "postmark": payloads.postmark_bounce,
    "brevo": payloads.brevo_bounce,
    "postal": payloads.postal_bounce,
    "generic": lambda sent: {
        "id": "1", "kind": "bounced", "message": sent.return_address, "status": "5.1.1", "text": kit.SOMEONE,
    },
}  # fmt: skip
"""An address that does not exist, as each provider tells it."""

PROVIDERS = sorted(HOOKS)
every_provider = pytest.mark.parametrize("provider", PROVIDERS)


def bounce(provider: str, sent: Sent) -> Request:
    return WRAP[provider](BOUNCE[provider](sent))


def test_every_provider_is_played():
    assert set(WRAP) == set(BOUNCE) == set(HOOKS)


@every_provider
def test_a_bounce_is_stored_once_applied_once_and_holds_no_address_in_clear(door: Door, provider: str):
    sent = door.mail()
    request = bounce(provider, sent)

    assert [door.told(request) for _ in range(3)] == [1, 0, 0]
    assert door.events() == [("bounced", "5.1.1", "gone")]
    assert door.came_back(sent) == "bounced"
    assert door.suppressions() == ["bounce"]
    assert kit.SOMEONE not in door.everything()
    assert "parisa" not in door.everything()


@every_provider
def test_an_event_of_a_message_that_is_not_ours_is_well_taken_and_changes_nothing(door: Door, provider: str):
    sent = door.mail()
    stranger = Names(Mac(bytes(32)), "example.org", "example.org").of(sent.id)
    foreign = Sent(sent.id, stranger[1], stranger[0], sent.email)

    assert door.told(bounce(provider, foreign)) == 0
    assert (door.events(), door.came_back(sent)) == ([], None)


@every_provider
def test_an_event_of_a_message_that_is_not_in_this_database_changes_nothing(door: Door, provider: str):
    message_id, return_address = Names.by(door.world.runtime).of(10**9)

    assert door.told(bounce(provider, Sent(10**9, return_address, message_id, kit.SOMEONE))) == 0
    assert door.events() == []


@every_provider
def test_without_a_proof_nothing_is_taken(door: Door, provider: str):
    request = bounce(provider, door.mail())
    unsigned = json.loads(request.body)
    if isinstance(unsigned, dict):
        unsigned = {name: value for name, value in unsigned.items() if name.lower() != "signature"}

    answer = door.call(Request(request.path, json.dumps(unsigned).encode()))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert "Set-Cookie" not in answer.headers
    assert door.events() == []


@every_provider
def test_the_proof_of_one_body_is_none_for_another(door: Door, provider: str):
    sent = door.mail()
    request = bounce(provider, sent)
    if provider in {"postmark", "brevo"}:
        # Their proof is a password: TLS alone covers the body.
        return
    assert door.told(request) == 1
    other = replace(request, body=request.body.replace(b"5.1.1", b"5.2.2").replace(b"iA-1", b"iA-2"))
    assert other.body != request.body

    assert door.call(other).status_code == 401
    assert len(door.events()) == 1


@every_provider
@pytest.mark.parametrize("header", ["\xff", "", "Basic", "Basic ===", "Basic Zm9v", "=" * 5000, "AAAA", "sha256="])
def test_a_proof_of_any_shape_is_refused_calmly(door: Door, provider: str, header: str):
    request = bounce(provider, door.mail())
    headers = dict.fromkeys(request.headers, header) | {"Content-Type": "application/json"}
    body = b'{"Type": "Notification", "signature": "x"}'

    assert door.call(Request(request.path, body, headers)).status_code == 401


@every_provider
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000, b"null"])
def test_a_body_that_proves_nothing_is_refused_whatever_it_is(door: Door, provider: str, body: bytes):
    path = bounce(provider, door.mail()).path

    assert door.call(Request(path, body[: HOOKS[provider].max_body])).status_code == 401
    assert door.events() == []


@pytest.mark.parametrize("provider", ["sendgrid", "postmark", "brevo", "postal", "generic"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"1" * 10_000, b"null", b'"text"', b"true", b"NaN"]
)
def test_a_proven_body_that_cannot_be_read_waits_for_an_admin_once(door: Door, provider: str, body: bytes):
    play = {
        "sendgrid": kit.sendgrid, "postal": kit.postal, "generic": kit.generic,
        "postmark": lambda told: kit.basic("postmark", told), "brevo": lambda told: kit.basic("brevo", told),
    }[provider]  # fmt: skip

    assert [door.told(play(body)) for _ in range(2)] == [1, 0]
    assert door.problems() == ["unreadable"]


@every_provider
def test_a_body_beyond_the_limit_is_refused(door: Door, provider: str):
    request = bounce(provider, door.mail())
    most = HOOKS[provider].max_body

    assert 64 * 1024 <= most <= 5 * 1024 * 1024
    assert door.call(replace(request, body=b" " * (most + 1))).status_code == 413
    assert door.call(replace(request, body=b" " * 5 * 1024 * 1024)).status_code == 413
    assert door.call(replace(request, body=b" " * most)).status_code == 401 or provider in {"postmark", "brevo"}
    assert "bounced" not in door.kinds()


@every_provider
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_only_post_is_taken(door: Door, provider: str, method: str):
    request = bounce(provider, door.mail())

    answer = door.client.open(request.path, method=method, data=request.body, headers=request.headers)

    assert answer.status_code == 405
    assert door.events() == []


@every_provider
def test_a_hook_without_a_key_is_not_there(world: World, provider: str):
    world.petition()
    door = kit.open_door(world, borrow_web(world.runtime))

    assert door.call(bounce(provider, door.mail())).status_code == 404
    assert door.events() == []


@pytest.mark.parametrize(
    "path", ["/hooks/returned", "/hooks/mandrill", "/hooks/postmark", "/hooks/brevo/wrong-path-word"]
)
def test_another_path_leads_nowhere(door: Door, path: str):
    request = kit.basic(path.split("/")[2], payloads.brevo_bounce(door.mail()))

    assert door.call(replace(request, path=path)).status_code in {401, 404}
    assert door.events() == []


def test_without_the_database_every_provider_is_asked_to_tell_it_again_and_proofs_are_still_checked(
    own_server, tmp_path
):
    own, url = own_server
    world = make_world(url, tmp_path, **kit.keys())
    world.petition()
    door = kit.open_door(world, borrow_web(world.runtime))
    sent = door.mail()
    postgres.stop(own)

    answers = {provider: door.call(bounce(provider, sent)) for provider in PROVIDERS}
    wrong = {provider: door.call(Request(bounce(provider, sent).path, b"{}")).status_code for provider in PROVIDERS}

    assert {answer.status_code for answer in answers.values()} == {503}
    assert {answer.headers["Retry-After"] for answer in answers.values()} == {"30"}
    assert set(wrong.values()) == {401}
    world.runtime.close()


def test_a_process_that_could_not_open_its_database_yet_asks_to_tell_it_again(tmp_path):
    app = create_app(settings_for("postgresql://127.0.0.1:1/none", tmp_path, **kit.keys()))

    answer = app.test_client().post("/hooks/postal", data=b"{}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    app.extensions["countersign"].close()


@every_provider
def test_odd_characters_are_stored_without_a_fault(door: Door, provider: str):
    sent = door.mail()
    odd = "\ud800\x00\u202e\U0001f600" * 50
    told = json.loads(json.dumps(BOUNCE[provider](sent)))
    for place in places(told):
        if isinstance(at(told, place), str) and place[-1] not in NEEDED:
            told = with_other(told, place, f"{at(told, place)} {odd}")

    assert door.told(WRAP[provider](told)) == 1
    assert door.came_back(sent) == "bounced"


NEEDED = frozenset(
    {"event", "eventType", "kind", "RecordType", "bounceType", "status", "severity", "message", "direction"}
)
"""Fields that hold a word of the provider's, or the only name of the message."""


@pytest.mark.parametrize("provider", ["generic", "postmark", "brevo", "sendgrid", "ses", "mailgun", "postal"])
def test_what_waits_is_read_again_once_its_format_is_known(door: Door, provider: str):
    world, sent = door.world, door.mail()
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    admin = accounts.find(world.runtime, "olga@example.org")
    assert admin is not None
    raw = bounce(provider, sent).body
    held = Event(id="held", kind=EventKind.UNKNOWN, happened_at=START, problem="unreadable", raw=raw)
    events.store(world.runtime, provider, [held])
    (event_id,) = world.sql("select id from delivery_event")[0]

    assert quarantine.read_again(world.runtime, event_id, by=admin)
    assert door.problems() == []
    assert sorted(door.kinds()) == ["bounced", "unknown"]


@pytest.mark.parametrize("provider", ["generic", "brevo", "sendgrid"])
def test_what_is_kept_of_an_item_of_a_list_has_the_shape_of_a_call(door: Door, provider: str):
    broken = BOUNCE[provider](SENT) | {"kind": 5, "event": 5}

    [held] = HOOKS[provider].read(json.dumps([broken]).encode(), NAMES, START)
    [again] = HOOKS[provider].read(held.raw, NAMES, START)

    assert (held.problem, again.problem) == ("unreadable", "unreadable")
    assert held.id == again.id


NAMES = Names(Mac(bytes(range(32))), "example.org", "bounces.example.org")
SENT = Sent(7, NAMES.of(7)[1], NAMES.of(7)[0], kit.SOMEONE)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\ud800\x00")
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a payload."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        found += places(one, (*path, name))
    return found


def at(value: object, path: tuple[str | int, ...]) -> object:
    """What is in a place of a payload."""
    for step in path:
        value = value[step]
    return value


def with_other(value: object, path: tuple[str | int, ...], other: object) -> object:
    """A payload with something else in one place."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = with_other(value[path[0]], path[1:], other)
    return copy


def bodies(provider: str, told: object) -> bytes:
    return WRAP[provider](told).body


@every_provider
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_field_is_read_without_a_fault(provider: str, data: st.DataObject):
    told = BOUNCE[provider](SENT)
    path = data.draw(st.sampled_from(places(told)))
    other = data.draw(anything)

    for event in HOOKS[provider].read(bodies(provider, with_other(told, path, other)), NAMES, START):
        assert event.id
        assert "\x00" not in event.id + event.text
        (event.id + event.text + (event.status or "")).encode()
        assert event.happened_at.tzinfo is not None
        assert event.problem in {"", "unreadable"}


@every_provider
@settings(max_examples=60)
@given(body=st.binary(max_size=200) | anything.map(lambda told: json.dumps(told).encode()))
def test_any_body_is_read_without_a_fault(provider: str, body: bytes):
    for event in HOOKS[provider].read(body, NAMES, START):
        assert event.problem in {"", "unreadable"}


@every_provider
def test_a_call_shows_no_secret(provider: str):
    shown = repr(Call(headers={"authorization": "hunter2"}, body=b"hunter2", secret="hunter2"))

    assert "hunter2" not in shown
