"""``countersign account …``: the accounts of organisers and admins."""

import json
from typing import Final

import click

from campaign.accounts import accounts, sign_in
from campaign.accounts.accounts import Account, Role
from campaign.accounts.lookalikes import lookalike, with_reading
from campaign.cli import tables
from campaign.cli.opening import open_runtime
from campaign.cli.petition import RefusedInputError
from campaign.errors import InvalidInputError, NotFoundError
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES

SENTENCES: Final = {
    ("email", "missing"): "the address is empty",
    ("email", "invalid"): "this is not an email address; it must look like name@example.org",
    ("email", "role"): "the address belongs to an office, not to a person",
    ("email", "not_ascii"): "the mail server takes only ASCII letters before the @ (it does not offer SMTPUTF8)",
    ("email", "taken"): "this address has an account already",
    ("name", "missing"): "--name: say what to call the person",
    ("name", "not_a_name"): "--name: use letters",
    ("name", "too_long"): "--name: use at most 200 characters",
    ("name", "looks_like_link"): "--name: leave out web addresses",
    ("name", "looks_like_email"): "--name: leave out the email address",
}
"""What to do about each problem that the use case names."""


def refused(error: InvalidInputError) -> RefusedInputError:
    """The sentence for refused input, for the shell."""
    return RefusedInputError(
        "\n  ".join(SENTENCES.get((name, code), f"{name}: {code}") for name, code in error.problems.items())
    )


def sign_in_links(runtime: Runtime) -> list[str]:
    """A line with a link for each admin who may sign in, up to three: after a restore no link can be mailed."""
    admins = [one for one in accounts.list_all(runtime) if one.is_admin and not one.disabled]
    if not admins:
        return ["There is no admin: countersign account create --role admin --email … --name …"]
    return [
        f"Sign in as {one.name}, within twelve hours: {sign_in.sign_in_link(runtime, one.id)}" for one in admins[:3]
    ]


@click.group(short_help="Create accounts and sign-in links")
def account() -> None:
    """Create and list accounts of organisers and admins, and print their sign-in links.

    There are no passwords: people sign in at /sign-in with a link that is emailed to them or printed here.
    """


@account.command(
    short_help="Create an account",
    epilog="Example: countersign account create --email ada@example.org --name 'Ada' --role admin",
)
@click.option("--email", required=True, help="Address that sign-in links go to.")
@click.option("--name", required=True, help="Full name, shown on the desk.")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    required=True,
    help="organiser: own petitions; admin: everything.",
)
@click.option("--locale", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True, help="Language.")
def create(*, email: str, name: str, role: str, locale: str) -> None:
    """Create an account.

    Exit status: 0 created, 1 failed, 2 something must be corrected; then nothing was created.
    """
    with open_runtime() as runtime:
        try:
            account_id = accounts.create(runtime, email=email, name=name, role=Role(role), locale=locale)
        except InvalidInputError as error:
            raise refused(error) from None
        found = next(one for one in accounts.list_all(runtime) if one.id == account_id)
    if lookalike(found.email) is not None:
        click.echo(f"Check this address: {with_reading(found.email)}", err=True)
    click.echo(f"Created account {account_id}. Let its owner in with: countersign account sign-in-link {email}")


@account.command(
    "sign-in-link",
    short_help="Print a sign-in link",
    epilog="Example: countersign account sign-in-link ada@example.org",
)
@click.argument("email")
def sign_in_link(email: str) -> None:
    """Print a link that signs in the browser that opens it: once, within twelve hours.

    Exit status: 0 printed; 1 there is no such account, or it is disabled; 2 this is no address.
    """
    with open_runtime() as runtime:
        try:
            found = accounts.find(runtime, email)
        except InvalidInputError as error:
            raise refused(error) from None
        if found is None:
            raise NotFoundError("there is no account with this address; see: countersign account list")
        click.echo(sign_in.sign_in_link(runtime, found.id))


@account.command(
    "list", short_help="List all accounts", epilog="Example: countersign account list --json | jq -r '.[].email'"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_accounts(*, as_json: bool) -> None:
    """List all accounts, oldest first."""
    with open_runtime() as runtime:
        found = accounts.list_all(runtime)
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in found], ensure_ascii=False, indent=2))
    elif not found:
        click.echo("There is no account yet. Create one with: countersign account create", err=True)
    else:
        rows = [
            (one.id, str(one.role), one.locale, "no" if one.disabled else "yes", with_reading(one.email), one.name)
            for one in found
        ]
        for row in tables.render(("ID", "ROLE", "LANGUAGE", "ENABLED", "EMAIL", "NAME"), rows):
            click.echo(row)


def _as_json(one: Account) -> dict[str, object]:
    return {
        "id": one.id,
        "role": str(one.role),
        "email": one.email,
        "lookalike": lookalike(one.email),
        "name": one.name,
        "locale": one.locale,
        "time_zone": one.time_zone,
        "enabled": not one.disabled,
        "created_at": one.created_at.isoformat(),
    }
