"""``countersign petition …``: write, publish, close and list petitions."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import BinaryIO, Final, TypeVar

import click

from campaign.cli import tables
from campaign.cli.opening import open_runtime
from campaign.errors import InvalidInputError
from campaign.petitions import petitions, text_files
from campaign.petitions.markdown import MAX_BODY
from campaign.petitions.queries import Stored
from campaign.petitions.rules import GRACE, MAX_TITLE, Draft, nearest
from campaign.settings import LANGUAGES

Command = TypeVar("Command", bound=Callable[..., object])

SENTENCES: Final[Mapping[tuple[str, str], str]] = {
    ("slug", "letters_digits_hyphens"): (
        "--slug: use 1 to 80 small letters a-z, digits and hyphens, with no hyphen at either end"
    ),
    ("slug", "taken"): "--slug: another petition has this slug already",
    ("author", "missing"): "--author: say who asks for it",
    ("default_locale", "no_text"): "--locale: there is no text in this language",
    ("fixed_goal", "out_of_range"): "--goal: choose a number from 1 to 100,000,000",
    ("title", "missing"): "--title: give a title, here or in the head of the file",
    ("title", "too_long_or_control"): f"--title: use at most {MAX_TITLE} characters on one line",
    ("addressed_to", "missing"): "--addressed-to: say whom the petition asks, here or in the head of the file",
    ("body", "missing"): "--body-file: there is no text in it",
    ("body", "too_long"): f"--body-file: the text is longer than {MAX_BODY:,} characters",
    ("body", "not_utf8"): "--body-file: it is not text in UTF-8",
    ("head", "not_closed"): "--body-file: its head begins with --- but no second --- ends it",
    ("head", "not_a_field"): "--body-file: each line of its head must be like `title: Save the lake`",
}
"""What to do about each problem that the use cases name."""


TEXT_WORDS: Mapping[str, str] = {
    "too_many_lines": "it has more than {words} lines",
    "too_much_markup": "it has more than {words} characters of markup, such as * [ ] | or <",
    "too_large_table": "its tables have more than {words} cells",
    "too_deep": "lists, quotations or emphasis are nested more than {words} levels deep",
    "dead_link": "the link to {words!r} leads nowhere; write the whole address, such as https://example.org/page",
    "html_tag": "HTML such as {words} can't be used; write Markdown, or the characters between backticks",
}


class RefusedInputError(click.ClickException):
    """Raised for invalid input; names every problem at once."""

    exit_code = 2


@contextmanager
def readable_problems() -> Iterator[None]:
    """Turn the codes of refused input into sentences.

    Raises:
        RefusedInputError: instead of :class:`InvalidInputError`.
    """
    try:
        yield
    except InvalidInputError as error:
        raise RefusedInputError("\n  ".join(_sentence(name, code) for name, code in error.problems.items())) from None


def _sentence(name: str, code: str) -> str:
    if name.startswith("head."):
        known = ", ".join(text_files.FIELDS)
        what = "is there twice" if code == "twice" else f"is not one of {known}"
        return f"--body-file: the field {name.removeprefix('head.')!r} in its head {what}"
    what, _, rest = code.partition(" ")
    if name == "body" and what in TEXT_WORDS:
        place, _, words = rest.partition(" ")
        line, _, column = place.partition(":")
        return f"--body-file: line {line}, character {column} of its text: {TEXT_WORDS[what].format(words=words)}"
    return SENTENCES.get((name, code), f"{name}: {code}")


@click.group(short_help="Create, publish, close and list petitions")
def petition() -> None:
    """Write, publish, close and list petitions.

    A petition starts as a draft, which is not public. It has a text in one language or several; a changed text becomes
    its next version, and each signature stays bound to the version that was signed.
    """


def _text_options(command: Command) -> Command:
    for option in (
        click.option("--summary", help="One or two sentences for lists and shared links."),
        click.option("--addressed-to", help="Whom the petition asks."),
        click.option("--title", help=f"Title, at most {MAX_TITLE} characters."),
        click.option(
            "--body-file",
            type=click.File("rb"),
            required=True,
            help="The text in Markdown, or - for standard input. A head between two lines --- may give title, "
            "addressed_to and summary; options are stronger.",
        ),
    ):
        command = option(command)
    return command


def _draft(body_file: BinaryIO, title: str | None, addressed_to: str | None, summary: str | None) -> Draft:
    try:
        source = body_file.read().decode()
    except UnicodeDecodeError:
        raise InvalidInputError({"body": "not_utf8"}) from None
    file = text_files.parse(source)

    def chosen(name: str, option: str | None) -> str:
        return file.fields.get(name, "") if option is None else option

    return Draft(
        title=chosen("title", title),
        addressed_to=chosen("addressed_to", addressed_to),
        summary=chosen("summary", summary),
        body=file.body,
        byline=file.fields.get("byline", ""),
    )


@petition.command(
    short_help="Create a petition, as a draft",
    epilog="Example: countersign petition create --slug save-the-lake --author 'Friends of the Lake' --title "
    "'Save the lake' --addressed-to 'The City Council' --body-file lake.md --publish",
)
@click.option("--slug", required=True, help="Name in the address /p/<slug>; it never changes.")
@click.option("--author", required=True, help="Who asks.")
@click.option("--on-behalf-of", default="", help="For whom the author asks.")
@click.option("--sender-name", default="", help="Sender name in emails. Default: the site's name.")
@click.option("--goal", type=int, help="A fixed goal. Default: it grows with the count, from 1,000 on.")
@click.option("--locale", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True, help="Its language.")
@click.option("--publish", "at_once", is_flag=True, help="Publish it at once.")
@_text_options
def create(
    *,
    slug: str,
    author: str,
    on_behalf_of: str,
    sender_name: str,
    goal: int | None,
    locale: str,
    at_once: bool,
    body_file: BinaryIO,
    title: str | None,
    addressed_to: str | None,
    summary: str | None,
) -> None:
    """Create a petition, as a draft.

    Exit status: 0 created, 1 failed, 2 something must be corrected; then nothing was created.
    """
    new = petitions.NewPetition(
        slug=slug,
        author=author,
        on_behalf_of=on_behalf_of,
        sender_name=sender_name,
        default_locale=locale,
        fixed_goal=goal,
    )
    with readable_problems():
        draft = _draft(body_file, title, addressed_to, summary)
        with open_runtime() as runtime:
            petitions.create(runtime, new, {locale: draft})
            if at_once:
                petitions.publish(runtime, slug)
                click.echo(f"{slug} can be signed at {runtime.settings.base_url}/p/{slug}")
                return
    click.echo(f"Created the draft {slug}. Publish it with: countersign petition publish {slug}")


@petition.command(
    short_help="Add a language, or a new version of a text",
    epilog="Example: countersign petition text save-the-lake --locale de --body-file see.md",
)
@click.argument("slug")
@click.option("--locale", type=click.Choice(LANGUAGES), required=True, help="Language of this text.")
@_text_options
def text(
    *, slug: str, locale: str, body_file: BinaryIO, title: str | None, addressed_to: str | None, summary: str | None
) -> None:
    """Add a language to a petition, or a new version of a text it has.

    Exit status: 0 saved, or there was nothing to change; 1 failed; 2 something must be corrected.
    """
    with readable_problems():
        draft = _draft(body_file, title, addressed_to, summary)
        with open_runtime() as runtime:
            before = petitions.by_slug(runtime, slug, fresh=True).texts.get(locale)
            petitions.edit_text(runtime, slug, locale, draft)
            after = petitions.by_slug(runtime, slug, fresh=True).texts[locale]
    if before is not None and before.version == after.version:
        click.echo(f"Nothing to change: {slug} has this text in {locale} already (version {after.version}).")
    else:
        click.echo(f"Saved version {after.version} of {slug} in {locale}.")


@petition.command(
    short_help="Open a petition for signing", epilog="Example: countersign petition publish save-the-lake"
)
@click.argument("slug")
def publish(slug: str) -> None:
    """Open a draft, or a closed petition, for signing.

    Exit status: 0 published; 1 there is no such petition, or it is live already.
    """
    with open_runtime() as runtime:
        petitions.publish(runtime, slug)
        click.echo(f"{slug} can be signed at {runtime.settings.base_url}/p/{slug}")


@petition.command(short_help="End the signing", epilog="Example: countersign petition close save-the-lake")
@click.argument("slug")
def close(slug: str) -> None:
    """End the signing. `countersign petition publish` opens it again.

    Signatures made before can still be confirmed for 24 hours. Addresses and names are erased after the retention.

    Exit status: 0 closed; 1 there is no such petition, or it is not live.
    """
    with open_runtime() as runtime:
        petitions.close(runtime, slug)
        days = runtime.settings.retention_days
    hours = GRACE // timedelta(hours=1)
    click.echo(
        f"{slug} is closed. Confirmations count for another {hours} hours; addresses and names are erased in {days} "
        "days."
    )


@petition.command(
    "list", short_help="List all petitions", epilog="Example: countersign petition list --json | jq -r '.[].slug'"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_petitions(*, as_json: bool) -> None:
    """List all petitions, drafts included: the newest first."""
    with open_runtime() as runtime:
        found = [_line(stored) for stored in petitions.list_all(runtime)]
    if as_json:
        click.echo(json.dumps([asdict(line) for line in found], ensure_ascii=False, indent=2))
    elif not found:
        click.echo("There is no petition yet. Create one with: countersign petition create", err=True)
    else:
        rows = [(line.slug, line.state, line.count, line.goal, ",".join(line.locales), line.title) for line in found]
        for row in tables.render(("SLUG", "STATE", "SIGNED", "GOAL", "LANGUAGES", "TITLE"), rows):
            click.echo(row)


@dataclass(frozen=True)
class _Line:
    """A petition in the list; the names are those of the JSON."""

    slug: str
    state: str
    count: int
    goal: int
    locales: tuple[str, ...]
    title: str
    published_at: str | None
    closed_at: str | None


def _line(stored: Stored) -> _Line:
    found = stored.petition
    return _Line(
        slug=found.slug,
        state=str(found.state),
        count=found.count,
        goal=found.goal,
        locales=tuple(sorted(stored.texts)),
        title=nearest(stored.texts, found.default_locale, found.default_locale).title,
        published_at=found.published_at.isoformat() if found.published_at else None,
        closed_at=found.closed_at.isoformat() if found.closed_at else None,
    )
