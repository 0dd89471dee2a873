"""Settings: what is accepted, what is said about mistakes, and what never shows."""

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from campaign.errors import SettingsError
from campaign.settings import VARIABLES, Settings, child_environment, load_settings
from campaign.variables import ROOT, Key, format_keys
from tests.kit.worlds import KEYS

CANARY = "hunter2-canary"
PEM = "-----BEGIN PRIVATE KEY-----\n"
SECRETS = (
    "keys",
    "database_url",
    "redis_url",
    "smtp_url",
    "metrics_token",
    "hook_mailgun_key",
    "hook_postmark",
    "hook_brevo",
    "hook_generic_key",
)


def mistakes(environ=None, **overrides):
    with pytest.raises(SettingsError) as caught:
        load_settings(environ if environ is not None else {}, **overrides)
    return list(caught.value.problems)


@pytest.fixture
def pem(tmp_path):
    file = tmp_path / "key.pem"
    file.write_text(PEM)
    return str(file)


@pytest.fixture
def public(pem):
    """What a public site must have, but for its address."""
    return {"keys": KEYS, "smtp_url": "smtps://user:word@mail.example.org", "dkim_key_file": pem}


def test_every_mistake_is_one_sentence_with_its_variable(tmp_path):
    assert mistakes(
        {
            "COUNTERSIGN_PORT": "x", "COUNTERSIGN_WEB_WORKERS": "0", "COUNTERSIGN_WEB_THREADS": "1000",
            "COUNTERSIGN_LANE": "slow", "COUNTERSIGN_GMAIL_RULES": "perhaps", "DATABASE_URL": "mysql://x",
            "COUNTERSIGN_DKIM_KEY_FILE": str(tmp_path / "none"), "COUNTERSIGN_PROXYS": "1",
        }
    ) == [
        "COUNTERSIGN_PORT must be a whole number",
        "DATABASE_URL must begin with postgresql:// or postgres://",
        "COUNTERSIGN_DKIM_KEY_FILE names a file that is not there",
        "COUNTERSIGN_WEB_WORKERS must be at least 1",
        "COUNTERSIGN_WEB_THREADS must be at most 64",
        "COUNTERSIGN_LANE must be 'urgent' or 'bulk'",
        "COUNTERSIGN_GMAIL_RULES must be yes or no",
        "COUNTERSIGN_PROXYS is not a setting of Countersign (see docs/settings.md)",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["database_url", "redis_url", "smtp_url"])
@pytest.mark.parametrize("rest", ["host:0/", "host:65536/", "host:many/", "user:pa/ss@host/", "[::1/", "user:x@h℀st/"])
def test_a_url_without_a_usable_host_and_port_is_refused_with_a_hint(name, rest):
    scheme = {"database_url": "postgresql", "redis_url": "redis", "smtp_url": "smtp"}[name]

    [mistake] = mistakes(**{name: f"{scheme}://{rest}"})

    assert mistake.startswith(f"{VARIABLES[name].name} has no usable host and port (1 to 65535)")


@pytest.mark.parametrize("name", ["smtp_ca_file", "dkim_key_file", "dkim_ed25519_key_file"])
def test_a_file_that_cannot_be_used_is_named_by_its_variable(name, tmp_path):
    (tmp_path / "text").write_text("no key")
    variable = VARIABLES[name].name

    assert mistakes(**{name: str(tmp_path)}) == [f"{variable} names a file that can't be read: Is a directory"]
    assert mistakes(**{name: str(tmp_path / "text" / "x")}) == [
        f"{variable} names a file that can't be read: Not a directory"
    ]
    assert mistakes(**{name: "a\0b"}) == [f"{variable} names a file that can't be read: this is no path"]
    assert mistakes(**{name: "~nobody-of-this-name/key"})[0].startswith(f"{variable} begins with ~")
    assert mistakes(**{name: str(tmp_path / "text")})[0].startswith(f"{variable} names a file that is not in PEM")


@pytest.mark.parametrize("name", ["ca_file", "smtp_ca_file", "return_mailbox_ca_file"])
def test_a_key_in_the_place_of_a_certificate_is_named_by_its_variable(name, tmp_path):
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")

    assert mistakes(**{name: str(tmp_path / "key.pem")}) == [
        f"{VARIABLES[name].name} names a file that holds no certificate of an authority"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_named_by_its_variable(pem):
    Path(pem).chmod(0)

    assert mistakes(dkim_key_file=pem) == [
        "COUNTERSIGN_DKIM_KEY_FILE names a file that can't be read: Permission denied"
    ]


def test_a_public_site_is_told_all_that_it_lacks():
    said = mistakes(base_url="https://petitions.example.org")

    assert [mistake.partition(" ")[0] for mistake in said] == ["SMTP_URL", "COUNTERSIGN_KEYS"]


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://petitions.example.org/", "https://petitions.example.org"),
        ("https://Petitions.Example.org:8443", "https://petitions.example.org:8443"),
        ("https://petitions.example.org:443", "https://petitions.example.org"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example:8443", "https://xn--bcher-kva.example:8443"),
        ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://مثال.إختبار", "https://xn--mgbh0fb.xn--kgbechtv"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("", "http://localhost:8000"),
    ],
)
def test_a_base_url_and_all_that_follows_from_it_is_valid_in_a_child_process(public, written, used):
    settings = load_settings({}, base_url=written, **public)

    assert settings.base_url == used
    environment = child_environment(settings)
    assert load_settings({variable.name: environment[variable.name] for variable in VARIABLES.values()}) == settings


@pytest.mark.parametrize(
    "written",
    [
        "petitions.example.org", "ftp://petitions.example.org", "https://", "https://example.org/petitions",
        "https://example.org?x=1", "https://example.org#x", "https://user:word@example.org", "https://my_site.example",
        "https://[2001:db8::1]",
    ],
)  # fmt: skip
def test_a_base_url_that_is_more_or_less_than_a_host_is_refused(written):
    assert mistakes(base_url=written) == [
        "COUNTERSIGN_BASE_URL must be like https://petitions.example.org, without a path"
    ]


@pytest.mark.parametrize("host", ["☕.example", "ü..example", "xü_.example"])
def test_a_host_that_has_no_form_in_dns_is_refused_in_one_sentence(host):
    remedy = "must have a host name that is valid in DNS (IDNA 2008)"

    assert mistakes(base_url=f"https://{host}") == [f"COUNTERSIGN_BASE_URL {remedy}"]
    assert mistakes(ehlo_name=host) == [f"COUNTERSIGN_EHLO_NAME {remedy}"]
    assert mistakes(mail_from=f"x@{host}") == [f"COUNTERSIGN_MAIL_FROM {remedy}"]


def test_plain_http_is_for_this_machine_only():
    assert mistakes(base_url="http://bücher.example") == [
        "COUNTERSIGN_BASE_URL must be https (plain http is accepted for localhost only)"
    ]


def test_internationalised_names_for_mail_become_a_labels():
    settings = load_settings({}, mail_from="Petitions@Bücher.example", ehlo_name="mx.BÜCHER.example")

    assert settings.mail_from == settings.contact == "petitions@xn--bcher-kva.example"
    assert settings.return_domain == "xn--bcher-kva.example"
    assert settings.ehlo_name == "mx.xn--bcher-kva.example"


@pytest.mark.parametrize("port", ["80", "443", "8000"])
def test_the_base_url_made_from_a_port_is_the_one_a_child_process_reads(port):
    made = load_settings({}, port=port).base_url

    assert load_settings({}, port=port, base_url=made).base_url == made


TAKES_ANY_TEXT = {"data", "retention_keys", "redis_prefix", "site_name", "postal_address", "discreet_name"}
TAKES_A_NAME = {"ehlo_name", "return_domain", "dkim_selector", "dkim_ed25519_selector"}
REFUSED = [
    pytest.param(name, shape, id=f"{name} {shape}")
    for name in VARIABLES.keys() - TAKES_ANY_TEXT
    for shape in ("{}", "postgresql://user:{}@h℀st/", "k1:{}", "smtp://u:{}@[host", "/{}/k€y", "{}\n")
    if not (name in TAKES_A_NAME and shape.strip() == "{}")
]


@pytest.mark.parametrize(("name", "shape"), sorted(REFUSED, key=lambda item: item.id))
def test_a_value_never_shows_in_a_mistake(name, shape):
    with pytest.raises(SettingsError) as caught:
        load_settings({}, **{name: shape.format(CANARY)})

    shown = "".join([str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)])
    assert VARIABLES[name].name in shown
    assert CANARY not in shown
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_secrets_never_show_when_settings_are_printed():
    secret = Key("k1", CANARY.ljust(32).encode())
    settings = load_settings(
        {}, keys=format_keys([secret]), database_url=f"postgresql://u:{CANARY}@h/x", redis_url=f"redis://:{CANARY}@h",
        smtp_url=f"smtp://u:{CANARY}@h", metrics_token=CANARY.ljust(20, "x"),
    )  # fmt: skip

    assert not any(CANARY in shown(settings) for shown in (repr, str))
    assert CANARY not in repr(settings.keys)
    assert all(not Settings.model_fields[name].repr for name in SECRETS)


def test_settings_cannot_be_changed_and_the_attempt_shows_nothing():
    settings = load_settings({}, metrics_token=CANARY.ljust(20, "x"))

    with pytest.raises(AttributeError) as caught:
        settings.metrics_token = f"{CANARY}-other"
    assert CANARY not in str(caught.value)
    assert hash(settings) == hash(settings.replace())
    with pytest.raises(TypeError, match="no field prot"):
        settings.replace(prot=1)


def loaded(expression, tmp_path, env_file=b"", **environment):
    """What ``expression`` over ``load()`` gives in a process of its own, with this environment and dotenv file."""
    file = tmp_path / ".env"
    file.write_bytes(env_file)
    script = (
        f"from pathlib import Path; from campaign.settings import load_settings as load; file = Path({str(file)!r});"
    )
    code = f"{script} print({expression})"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_the_environment_is_stronger_than_the_file_even_when_empty(tmp_path):
    file = (
        b"export COUNTERSIGN_PORT=9001\nCOUNTERSIGN_SITE_NAME='From file'\nDATABASE_URL=postgresql://h/x\n"
        b"COUNTERSIGN_BIND\nport=1\ncountersign_port=2\nOTHER=x\n"
    )

    said = loaded(
        "[(s.port, s.site_name, s.database_url, s.bind) for s in [load(env_file=file)]]",
        tmp_path, file, DATABASE_URL="", COUNTERSIGN_SITE_NAME=" From here ",
    )  # fmt: skip

    assert said.stdout == "[(9001, 'From here', '', '127.0.0.1')]\n", said.stderr


def test_what_a_mapping_leaves_out_has_its_default_whatever_the_environment_says(tmp_path):
    said = loaded("load({}).port", tmp_path, COUNTERSIGN_PORT="9001", COUNTERSIGN_NO_SUCH="1")

    assert said.stdout == "8000\n", said.stderr


def test_an_unknown_name_in_the_file_is_a_mistake(tmp_path):
    said = loaded("load(env_file=file)", tmp_path, f"COUNTERSIGN_PROXYS={CANARY}\nCOUNTERSIGN_GONE\n".encode())

    assert said.stderr.endswith("  - COUNTERSIGN_PROXYS is not a setting of Countersign (see docs/settings.md)\n")
    assert CANARY not in said.stderr


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    said = loaded("load(env_file=file)", tmp_path, CANARY.encode() + b"=\xff\n")

    assert said.stderr.endswith(f"  - the file {tmp_path / '.env'} can't be read: it is not UTF-8\n")
    assert CANARY not in said.stderr


def test_a_value_that_is_no_text_is_named(tmp_path):
    said = loaded("load()", tmp_path, COUNTERSIGN_SITE_NAME=os.fsdecode(CANARY.encode() + b"\xff"))

    assert said.stderr.endswith("  - COUNTERSIGN_SITE_NAME can't be read: see docs/settings.md\n")
    assert CANARY not in said.stderr


def test_overrides_are_stronger_than_what_is_given():
    assert load_settings({"COUNTERSIGN_PORT": "9001"}, port="9002").port == 9002
    assert load_settings({"COUNTERSIGN_PORT": " 9_001 "}).port == 9001


@pytest.mark.parametrize(
    ("name", "written", "used"),
    [
        ("smtp_url", "smtp://mäil.example:25 smtps://u:p%40@mäil.example",
         "smtp://xn--mil-qla.example:25 smtps://u:p%40@xn--mil-qla.example"),
        ("redis_url", "redis://:secret@rédis.example:6379/3", "redis://:secret@xn--rdis-bpa.example:6379/3"),
        ("redis_url", "redis+socket:///run/redis.sock?virtual_host=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("database_url", "postgresql://u:p@dätenbank.example/x?sslmode=require",
         "postgresql://u:p@xn--dtenbank-0za.example/x?sslmode=require"),
        ("leave_url", "https://bücher.example/x?y=1", "https://xn--bcher-kva.example/x?y=1"),
    ],
)  # fmt: skip
def test_a_host_of_other_letters_is_written_in_its_ascii_form(name, written, used):
    assert getattr(load_settings({}, **{name: written}), name) == used


def test_a_host_that_no_name_server_knows_is_named_with_its_variable():
    assert mistakes(smtp_url="smtp://-mäil.example") == [
        "SMTP_URL must have a host name that is valid in DNS (IDNA 2008)"
    ]
