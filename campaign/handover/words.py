"""The words of the documents, in the language of whom they are handed to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from campaign import i18n
from campaign.accounts import countries
from campaign.handover.queries import StoredText
from campaign.handover.rules import LETTER, MANIFEST, SIGNATURES
from campaign.petitions.petitions import Opened


@dataclass(frozen=True)
class Totals:
    """The numbers of a pack."""

    count: int
    named: int
    by_country: Mapping[str, int]
    by_text: Mapping[tuple[str, int], int]
    unknown_text: int


class Wording:
    """Says everything of a pack in one language."""

    def __init__(self, locale: str, made_at: datetime) -> None:
        self.locale = locale
        self._made_at = made_at
        self._say = i18n.translations(locale)

    def number(self, value: int) -> str:
        """A number with the digits of the language."""
        return i18n.format_number(value, self.locale)

    def day(self, when: datetime) -> str:
        """A day in UTC, as the list of signatures has it."""
        return i18n.format_date(when, self.locale, zone=UTC)

    def anonymous(self) -> str:
        """Who does not show a name."""
        return self._say.gettext("anonymous")

    def country(self, code: str) -> str:
        """A country's name; a dash if it is not known any longer."""
        return countries.name(code, self.locale) or "–"

    def heads(self) -> list[str]:
        """The head of the CSV file."""
        gettext = self._say.gettext
        return [
            gettext("No."),
            gettext("Name"),
            gettext("Country code"),
            gettext("Country"),
            gettext("Confirmed on"),
            gettext("Text"),
            gettext("Reason"),
        ]

    def column_heads(self) -> list[str]:
        """The head of the list of names."""
        gettext = self._say.gettext
        return [gettext("No."), gettext("Name"), gettext("Country"), gettext("Confirmed on")]

    def footer(self, url: str) -> str:
        """The foot of each page."""
        return self._say.gettext("%(url)s · as of %(day)s") % {
            "url": url,
            "day": i18n.format_datetime(self._made_at, self.locale, zone=UTC) + " UTC",
        }

    def part(self, first: int, last: int) -> str:
        """Which signatures are in a volume."""
        words = self._say.gettext("Signatures %(first)s to %(last)s")
        return words % {"first": self.number(first), "last": self.number(last)}

    def letter(
        self, opened: Opened, totals: Totals, texts: Sequence[StoredText], *, is_listed: bool
    ) -> dict[str, object]:
        """What the first document says besides the petition's text."""
        gettext = self._say.gettext
        shown = opened.text_for(self.locale)
        by = shown.byline or opened.petition.author
        counted = self._say.ngettext("person has signed", "people have signed", totals.count)
        return {
            "head": [
                gettext("To: %(addressee)s") % {"addressee": shown.addressed_to},
                gettext("From: %(author)s") % {"author": by},
                self.day(self._made_at),
            ],
            "count": self.number(totals.count),
            "counted": counted,
            "tables": [self._names(totals), self._countries(totals), self._versions(totals, texts)],
            "method_heading": gettext("How the signatures were counted"),
            "method": self._method(is_listed=is_listed),
        }

    def _names(self, totals: Totals) -> dict[str, object]:
        gettext = self._say.gettext
        return {
            "heading": gettext("Signatures"),
            "columns": ["wide", "number"],
            "head": ["", gettext("Signatures")],
            "rows": [
                [gettext("With their name"), self.number(totals.named)],
                [gettext("Anonymous"), self.number(totals.count - totals.named)],
                [gettext("Total"), self.number(totals.count)],
            ],
        }

    def _countries(self, totals: Totals) -> dict[str, object]:
        gettext = self._say.gettext
        ordered = sorted(totals.by_country.items(), key=lambda pair: (-pair[1], pair[0]))
        return {
            "heading": gettext("By country"),
            "columns": ["wide", "number"],
            "head": [gettext("Country"), gettext("Signatures")],
            "rows": [
                [self.country(code) if code else gettext("Not known: the signer’s data was erased"), self.number(count)]
                for code, count in ordered
            ],
        }

    def _versions(self, totals: Totals, texts: Sequence[StoredText]) -> dict[str, object]:
        gettext = self._say.gettext
        rows = [
            [
                i18n.LANGUAGE_NAMES[one.locale],
                self.number(one.version),
                self.day(one.created_at),
                self.number(totals.by_text.get((one.locale, one.version), 0)),
            ]
            for one in texts
        ]
        if totals.unknown_text:
            rows.append(
                [gettext("Not known: the signer’s data was erased"), "", "", self.number(totals.unknown_text)],
            )
        return {
            "heading": gettext("By version of the text"),
            "columns": ["wide", "auto", "auto", "number"],
            "head": [gettext("Language"), gettext("Version"), gettext("Written on"), gettext("Signatures")],
            "rows": rows,
        }

    def _method(self, *, is_listed: bool) -> list[str]:
        gettext = self._say.gettext
        words = [
            gettext(
                "Each signature was confirmed by its signer: by a button behind a link in an email, or by a code from "
                "it. Signatures that were not confirmed, or were withdrawn, are not counted."
            ),
            gettext("Each signer counts once. Two people may share one mailbox, no more."),
            gettext(
                "Email addresses are not part of this pack. Signers who do not show their name are listed as anonymous."
            ),
            gettext("The file %(list)s has one line for each signature, below its head.") % {"list": SIGNATURES},
            gettext(
                "The file %(manifest)s holds the SHA-256 of every file and of every version of the text. "
                "“countersign verify” checks them without a connection to us."
            )
            % {"manifest": MANIFEST},
        ]
        if not is_listed:
            words.insert(
                4,
                gettext("Because of their number the names are in that file alone, not in %(letter)s.")
                % {"letter": LETTER},
            )
        return words
