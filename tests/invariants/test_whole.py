"""What holds for the product as a whole: queues are consumed, mails complete, settings documented."""

import ast
import inspect
import re
import string

import pytest
from celery import current_app

from campaign import variables
from campaign.cli.serve import QUEUES as CONSUMED
from campaign.database.schema import accounts, operations, outbox
from campaign.delivery import contexts
from campaign.errors import SettingsError
from campaign.i18n import translations
from campaign.mail.compose import ListIdentity, Sender, TemplateCompiler
from campaign.mail.kinds import DISCREET, KINDS, Unsubscribe
from campaign.mail.slots import Slots
from campaign.operations import broker, monitor
from campaign.operations.alerts import Cause
from campaign.settings import LANGUAGES, VARIABLES, Settings, load_settings
from campaign.smtp.transport import Phase, Result
from campaign.states import Lane, MessageKind
from campaign.views.admin import words
from tasks.app import QUEUES, UPKEEP, WAKE_UPS, celery_settings, make_app, schedule
from tasks.nudging import TASKS
from tests.kit.engines import ROOT
from tests.kit.sources import sources
from tests.kit.worlds import settings_for

TEMPLATES = ROOT / "templates" / "email"
FILES = ("subject.txt", "body.txt", "body.html")


def consumed():
    return {queue for queues in CONSUMED.values() for queue in queues.split(",")}


def test_every_declared_queue_is_consumed_by_a_worker():
    assert consumed() == set(QUEUES)


def test_every_lane_has_a_worker_and_a_queue_of_its_name():
    assert {str(lane) for lane in Lane} == set(CONSUMED)
    assert {str(lane) for lane in Lane} <= set(QUEUES)


def test_no_worker_serves_both_lanes():
    assert not set(CONSUMED["urgent"].split(",")) & set(CONSUMED["bulk"].split(","))


def test_the_monitor_looks_at_every_queue():
    assert set(broker.QUEUES) == set(QUEUES)


@pytest.fixture
def app(tmp_path):
    return make_app(settings_for("postgresql://unused/", tmp_path, redis_url="redis://127.0.0.1:1/0"))


def own_tasks(app):
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def periodic_jobs():
    return schedule(settings_for("postgresql://unused/", ROOT))


def test_every_task_is_in_the_table_of_tasks_and_every_entry_is_a_task(app):
    assert sorted(own_tasks(app)) == sorted([*WAKE_UPS, *periodic_jobs()])
    assert not WAKE_UPS.keys() & periodic_jobs().keys()


def test_task_names_are_fixed_and_say_area_verb_and_object(app):
    for name, task in own_tasks(app).items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", name)
        assert f'name="{name}"' in inspect.getsource(inspect.getmodule(task.run))


def test_every_task_is_a_door_of_a_few_lines_that_says_what_makes_a_second_run_harmless(app):
    for name, task in own_tasks(app).items():
        function = ast.parse(inspect.getsource(task.run)).body[0]
        first, *body = function.body
        assert len(ast.get_docstring(function).split()) > 10, name
        assert body, name
        assert function.end_lineno - first.end_lineno <= 10, name


def test_no_task_takes_an_argument(app):
    # What is to do is in the database. A task that needs more than that may take an id, and this test may then say so.
    for task in own_tasks(app).values():
        assert not inspect.signature(task.run).parameters


def test_tasks_fit_into_the_time_that_redis_waits(app):
    conf = celery_settings(settings_for("postgresql://unused/", ROOT))

    assert conf["accept_content"] == ["json"]
    assert conf["task_soft_time_limit"] < conf["task_time_limit"]
    assert conf["task_time_limit"] < conf["broker_transport_options"]["visibility_timeout"]
    assert current_app.conf.task_create_missing_queues is False
    for task in own_tasks(app).values():
        assert (task.soft_time_limit, task.time_limit, task.acks_late) == (
            conf["task_soft_time_limit"],
            conf["task_time_limit"],
            True,
        )


def test_every_task_has_a_queue_that_a_worker_consumes(app):
    routes = {name: app.amqp.router.route({}, name)["queue"].name for name in own_tasks(app)}

    assert set(routes.values()) == consumed()
    assert routes == {**WAKE_UPS, **dict.fromkeys(periodic_jobs(), UPKEEP)}
    assert {lane: routes[TASKS[lane]] for lane in Lane} == {lane: str(lane) for lane in Lane}
    assert set(TASKS.values()) == set(WAKE_UPS)


def test_every_periodic_job_has_an_interval_a_name_that_fits_its_column_and_words_on_the_monitor():
    for name, job in periodic_jobs().items():
        assert len(name) <= 40
        assert job.every.total_seconds() >= 1
    assert set(monitor.JOBS) == set(periodic_jobs()) == set(words.WORDS["job"])


def test_every_task_is_documented():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([a-z]+) \|", text, flags=re.MULTILINE)

    assert len(table) == len(dict(table))
    assert dict(table) == {**WAKE_UPS, **dict.fromkeys(periodic_jobs(), UPKEEP)}


def written_as(argument):
    """The texts that the code hands over by the name of an argument."""
    found = {code for source in sources() for code in re.findall(rf'\b{argument}="([\w.]+)"', source.text)}
    assert found
    return found


def test_every_code_that_is_stored_fits_its_column():
    codes = {
        outbox.attempt.c.result: Result,
        outbox.attempt.c.phase: Phase,
        outbox.message.c.phase: Phase,
        operations.alert.c.cause: Cause,
        accounts.audit_entry.c.subject: written_as("subject"),
        accounts.audit_entry.c.action: written_as("action"),
    }

    too_long = {str(column): code for column, some in codes.items() for code in some if len(code) > column.type.length}

    assert too_long == {}


def plans():
    """Kind and lane of every message that the code plans, where both are written out."""
    for source in sources():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if given.get("kind", "").startswith("MessageKind.") and given.get("lane", "").startswith("Lane."):
                    yield MessageKind[given["kind"].partition(".")[2]], Lane[given["lane"].partition(".")[2]]


def test_every_kind_of_message_is_a_kind_of_mail_and_is_planned_in_its_lane():
    planned = list(plans())

    assert {str(kind) for kind in MessageKind} == set(KINDS)
    assert len(planned) >= 4
    assert [(kind, lane) for kind, lane in planned if KINDS[kind].lane is not lane] == []


def test_mail_that_its_recipient_waits_for_is_urgent_and_mail_to_many_is_not():
    to_many = {kind for kind, mail in KINDS.items() if mail.is_list}

    assert to_many == {"milestone", "update"}
    assert {kind for kind, mail in KINDS.items() if mail.lane is Lane.BULK} == to_many


def test_every_folder_of_templates_belongs_to_a_kind_and_has_its_three_files():
    folders = {kind.folder for kind in (*KINDS.values(), *DISCREET.values())}
    found = [folder for folder in TEMPLATES.rglob("*") if folder.is_dir() and folder.name != "discreet"]

    assert {str(folder.relative_to(TEMPLATES)) for folder in found} == folders
    for folder in folders:
        assert sorted(file.name for file in (TEMPLATES / folder).iterdir()) == sorted(FILES)


def test_every_kind_that_is_planned_can_be_written():

    assert contexts.CONTEXTS.keys() == set(MessageKind)


SAMPLES = {
    "expiry_days": 7, "count": 1234, "goal": 2000, "threshold": 1000, "valid_minutes": 15, "wants_updates": True,
    "forget": False, "is_recipient": True, "is_cut": False, "has_attachments": False, "done": "stopped",
    "valid_hours": 24, "undo_days": 7,
    "sentences": ["A sentence."],
    "signatures": [{"title": "A title", "state": "confirmed", "link_own": "https://example.org/x", "link_confirm": ""}],
    "body_html": "<p>A text.</p>",
}  # fmt: skip


def sample(name, base):
    if name.startswith("link_"):
        return f"{base}/x"
    return SAMPLES.get(name, "A text")


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_compiles_in_every_language(kind, locale):
    base = "https://petitions.example.org"
    spec = KINDS[kind]
    identity = ListIdentity("A list", "x.lists.example.org", ("one",), "sender") if spec.is_list else None

    compiled = TemplateCompiler(TEMPLATES).compile(
        kind,
        locale=locale,
        sender=Sender("from@example.org", "Sender", "Site", base, f"{base}/privacy", "1 Road, Town"),
        context={name: sample(name, base) for name in spec.context},
        slots=Slots.create(spec.slots),
        list_identity=identity,
    )

    assert compiled.subject
    assert compiled.needs_list_unsubscribe is (spec.unsubscribe is not Unsubscribe.NEVER)


@pytest.mark.parametrize("locale", [language for language in LANGUAGES if language != "en"])
def test_every_consent_is_worded_in_every_language(locale):
    gettext = translations(locale).gettext
    english = "Email me updates about this petition. I can unsubscribe at any time."

    assert gettext(english) != english


def test_the_page_of_settings_is_what_the_command_writes():
    page = (ROOT / "docs" / "settings.md").read_text()

    assert page == variables.with_table(page, VARIABLES.values()), "run `countersign settings --write`"
    assert all(f"\n| `{variable.name}` |" in page for variable in VARIABLES.values())


def test_every_field_of_the_settings_has_a_variable_with_a_description():
    assert set(Settings.model_fields) == set(VARIABLES)
    assert all(variable.about.endswith(".") for variable in VARIABLES.values())


def test_secrets_do_not_show_when_settings_are_printed(tmp_path):
    secret = "hunter2" + string.ascii_lowercase
    settings = settings_for(
        f"postgresql://me:{secret}@localhost/x", tmp_path, redis_url=f"redis://:{secret}@localhost/0",
        smtp_url=f"smtp://me:{secret}@localhost",
    )  # fmt: skip

    assert secret not in repr(settings)
    assert "AAECAwQF" not in repr(settings)


def test_every_wrong_setting_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        load_settings({"COUNTERSIGN_PORT": "x", "DATABASE_URL": "mysql://x", "COUNTERSIGN_NO_SUCH": "1"})

    assert len(caught.value.problems) == 3


def files_named_in_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    ways = text.split("## Four ways through the code")[1].split("\n## ")[0]
    return {way.split("**")[0]: re.findall(r"^\d+\. `([^`]+)`", way, re.MULTILINE) for way in ways.split("\n**")[1:]}


def test_the_ways_through_the_code_name_files_that_exist():
    ways = files_named_in_architecture()

    assert list(ways) == ["One signature", "One blast", "One refusal", "One bounce"]
    assert all(5 <= len(files) <= 10 for files in ways.values())
    assert [file for files in ways.values() for file in files if not (ROOT / file).is_file()] == []


def test_the_table_of_rooms_names_every_room_and_modules_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = dict(re.findall(r"^\| `(campaign/\w+)/` \| (.*) \|$", text, re.MULTILINE))
    packages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "campaign").glob("*/__init__.py")}

    assert rooms.keys() == packages - {"campaign/views", "campaign/cli"}
    missing = [
        f"{room}/{name}" for room, cell in rooms.items() for name in re.findall(r"`(\w+)/?`", cell)
        if not (ROOT / room / f"{name}.py").is_file() and not (ROOT / room / name).is_dir()
    ]  # fmt: skip
    assert missing == []


def test_only_the_ground_lies_directly_in_the_package():
    modules = {path.stem for path in (ROOT / "campaign").glob("*.py")}

    assert modules == {
        "__init__",
        "errors",
        "hook_keys",
        "i18n",
        "log_lines",
        "redis_causes",
        "redis_client",
        "runtime",
        "settings",
        "states",
        "tls_urls",
        "ttl_cache",
        "variables",
    }


def test_files_that_the_docs_name_exist():
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "**Superseded" not in page.read_text("utf-8")[:400]]
    rooms = "campaign|tasks|tests|benchmarks|templates|docs"
    gone = [
        f"{page.name}: {name}"
        for page in [*pages, ROOT / "README.md"]
        for name in re.findall(rf"`((?:{rooms})/[\w/.-]+)`", page.read_text("utf-8"))
        if not (ROOT / name).exists()
    ]

    assert gone == []
