"""How the switches of the whole site are spoken of, on their own pages and on the monitor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from campaign.accounts import accounts
from campaign.site.current import Switch, SwitchName
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import lazy


@dataclass(frozen=True)
class SwitchWords:
    """How a switch is spoken of."""

    title: str
    running: str
    stopped: str
    stop: str
    resume: str
    effect: tuple[str, ...]
    """What will happen when it is stopped."""
    effect_of_resuming: str


SWITCHES: Mapping[SwitchName, SwitchWords] = {
    SwitchName.SIGNING: SwitchWords(
        lazy("Signing"),
        lazy("Petitions can be signed."),
        lazy("Signing is paused."),
        lazy("Pause signing"),
        lazy("Resume signing"),
        (
            lazy("Every petition shows “Signing is paused at the moment” instead of its form."),
            lazy("Forms that are already open are not accepted; what was typed in them is shown again."),
            lazy("Links and codes in confirmation emails keep working, and confirmed signatures are counted."),
        ),
        lazy("Every open petition shows its form again within seconds."),
    ),
    SwitchName.COUNTING: SwitchWords(
        lazy("Counting"),
        lazy("Public counts are up to date."),
        lazy("Public counts are frozen."),
        lazy("Freeze the counts"),
        lazy("Resume counting"),
        (
            lazy("The count of every petition stays as it is, and its page says since when."),
            lazy("No milestone is reached or announced."),
            lazy("People can still sign, confirm and withdraw; this is counted when counting resumes."),
        ),
        lazy("Everything since then is counted within seconds, and milestones may be announced."),
    ),
    SwitchName.NAMES: SwitchWords(
        lazy("Public names"),
        lazy("Names of people who agreed are shown."),
        lazy("Names are hidden."),
        lazy("Hide all names"),
        lazy("Show names again"),
        (
            lazy("No petition shows the name, country or reason of anyone who signed."),
            lazy("Nothing is deleted: people’s choices stay as they are. Exports are not changed."),
            lazy("Copies that others have made of the pages are out of our reach."),
        ),
        lazy("Petitions show the names of people who agreed to it again, within seconds."),
    ),
    SwitchName.SENDING: SwitchWords(
        lazy("All sending"),
        lazy("Sending is not paused."),
        lazy("All sending is paused."),
        lazy("Pause all sending"),
        lazy("Resume all sending"),
        (
            lazy("No email is sent: no confirmations, no sign-in links, no updates. Both lanes are paused."),
            lazy("Nothing is lost: emails wait, and new ones join them. What a mail server already has goes out."),
            lazy("You stay signed in, but no one can get a new sign-in link by email."),
        ),
        lazy("Both lanes send at once, urgent mail first. Emails that waited are sent now."),
    ),
}
"""All switches, in the order of the page."""


def said(words: SwitchWords) -> SwitchWords:
    """The words in the language of this answer."""
    texts = {name: _(text) for name, text in vars(words).items() if name != "effect"}
    return SwitchWords(**texts, effect=tuple(_(text) for text in words.effect))


def names_of(on: Iterable[Switch]) -> dict[int, str]:
    """The names of those who stopped something."""
    numbers = [one.by.removeprefix("account ") for one in on]
    return accounts.names(runtime(), {int(number) for number in numbers if number.isdecimal()})
