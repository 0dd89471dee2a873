"""The example: a live petition in every language, its organiser, and an admin. What a newcomer sees first."""

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.blasts.rules import BlastText
from campaign.errors import ConflictError, InvalidInputError
from campaign.petitions import petitions, text_files
from campaign.petitions.rules import Draft
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES
from campaign.states import PetitionState
from campaign.variables import ROOT

SLUG = "stop-hazara-genocide"
FOLDER = ROOT / "examples" / "hazara"
PETITION = petitions.NewPetition(
    slug=SLUG, author="the Hazara community", on_behalf_of="the Hazara community", default_locale=LANGUAGES[0]
)
"""Asked on behalf of the community, as the byline of each text says; no organisation is behind it, so none is named.
Its goal grows along the ladder, whose first rung is 1,000."""

PEOPLE = {
    Role.ORGANISER: ("organiser@example.org", "Olga Organiser"),
    Role.ADMIN: ("admin@example.org", "Ada Admin"),
}
"""Address and name of the example accounts; mail to example.org is not delivered (RFC 2606 section 3)."""


def read_drafts() -> dict[str, Draft]:
    """The texts of the example by language, from ``examples/hazara``."""
    return {locale: _draft((FOLDER / f"{locale}.md").read_text(encoding="utf-8")) for locale in LANGUAGES}


def _draft(source: str) -> Draft:
    file = text_files.parse(source)
    return Draft(
        title=file.fields["title"],
        addressed_to=file.fields["addressed_to"],
        summary=file.fields["summary"],
        body=file.body,
        byline=file.fields["byline"],
    )


def create_example(runtime: Runtime) -> str:
    """Make sure that the example petition is there; returns its slug.

    Calling it again, or from two processes at once, is harmless: the unique slug lets one of them create it. A petition
    that was edited, or closed, since then is left as it is; a draft, which a start that broke off left, is published.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    try:
        petitions.create(runtime, PETITION, read_drafts())
    except InvalidInputError as error:
        if error.problems != {"slug": "taken"}:
            raise
    if petitions.by_slug(runtime, SLUG, fresh=True).petition.state is PetitionState.DRAFT:
        try:
            petitions.publish(runtime, SLUG)
        except ConflictError:
            # Another process published it between our look and our move.
            petitions.forget(runtime, SLUG)
    return SLUG


def create_accounts(runtime: Runtime) -> dict[Role, int]:
    """Make sure that the example has an organiser, who owns the example petition, and an admin; returns their ids.

    Calling it again is harmless. Accounts that an admin disabled stay disabled, and are left out of the answer.
    """
    found = {}
    for role, (email, name) in PEOPLE.items():
        try:
            accounts.create(runtime, email=email, name=name, role=role)
        except InvalidInputError as error:
            if error.problems != {"email": "taken"}:
                raise
        account = accounts.find(runtime, email)
        if account is not None and not account.disabled:
            found[role] = account.id
    if Role.ORGANISER in found:
        petitions.give(runtime, SLUG, found[Role.ORGANISER])
        _draft_update(runtime)
    return found


def _draft_update(runtime: Runtime) -> None:
    """One draft update for the organiser to look at, test and send; one that was written or sent since then stays."""
    organiser = accounts.find(runtime, PEOPLE[Role.ORGANISER][0])
    petition_id = petitions.by_slug(runtime, SLUG, fresh=True).petition.id
    if organiser is None or blast_reports.reports(runtime, petition_id):
        return
    blasts.save_draft(runtime, petition_id, read_update(), by=organiser, request_key="example.update")


def read_update() -> dict[str, BlastText]:
    """The draft update by language, from ``examples/hazara/update``."""
    files = {
        code: text_files.parse((FOLDER / "update" / f"{code}.md").read_text(encoding="utf-8")) for code in LANGUAGES
    }
    return {code: BlastText(file.fields["title"], file.body) for code, file in files.items()}
