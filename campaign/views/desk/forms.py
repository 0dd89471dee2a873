"""Reading what organisers type, and wording what is wrong with it, field by field."""

import re
from collections.abc import Mapping

from campaign.blasts.text_checks import MAX_SUBJECT
from campaign.i18n import LANGUAGE_NAMES, format_number
from campaign.petitions.markdown import MAX_BODY
from campaign.petitions.rules import MAX_LINE, MAX_TITLE
from campaign.views.forms import OTHERWISE, Problems
from campaign.views.forms import WORDS as PUBLIC_WORDS
from campaign.views.language import gettext, language, lazy

_TOO_LONG_LINE = lazy("Shorten this to %(limit)s characters.")
_CONTROLS = lazy("This contains invisible characters. Please type it rather than pasting.")

WORDS: Mapping[str, Mapping[str, str]] = {
    "email": {
        **PUBLIC_WORDS["email"],
        "no_account": lazy("No account here has this address. Ask an administrator to create one first."),
    },
    "reply_to": PUBLIC_WORDS["email"],
    "title": {
        "missing": lazy("Enter a title."),
        "too_long_or_control": lazy("Enter a title of %(title_limit)s characters or fewer, on one line."),
    },
    "addressed_to": {
        "missing": lazy("Enter who the petition is addressed to."),
        "too_long": _TOO_LONG_LINE,
        "control_characters": _CONTROLS,
    },
    "summary": {"too_long": _TOO_LONG_LINE, "control_characters": _CONTROLS},
    "author": {"missing": lazy("Enter the author."), "too_long": _TOO_LONG_LINE, "control_characters": _CONTROLS},
    "byline": {"too_long": _TOO_LONG_LINE, "control_characters": _CONTROLS},
    "on_behalf_of": {"too_long": _TOO_LONG_LINE, "control_characters": _CONTROLS},
    "sender_name": {"too_long": _TOO_LONG_LINE, "control_characters": _CONTROLS},
    "slug": {
        "letters_digits_hyphens": lazy("Use lowercase letters a–z, digits and hyphens, with no hyphen at either end."),
        "taken": lazy("Another petition has this address. Choose a different one."),
    },
    "default_locale": {"no_text": lazy("Choose a language in which the petition has a text.")},
    "fixed_goal": {
        "not_a_number": lazy("Enter the goal as a whole number."),
        "out_of_range": lazy("Enter a goal from 1 to 100,000,000."),
    },
    "milestones": {
        "not_a_number": lazy("Enter whole numbers with commas between them, such as 100, 500, 1000."),
        "missing": lazy("Enter at least one number, or choose the standard milestones."),
        "too_many": lazy("Enter 50 milestones or fewer."),
        "not_growing": lazy("Enter numbers above 0, in ascending order."),
    },
    "milestone_policy": {"unknown": lazy("Choose what happens at a milestone.")},
    "locale": {"unknown": lazy("Choose a language from the list.")},
    "time_zone": {"unknown": lazy("Choose a time zone from the list.")},
    "send_at": {
        "missing": lazy("Enter a date and a time."),
        "not_a_date": lazy("Enter the date like 2027-11-25 and the time like 09:00."),
        "past": lazy("This time has passed. Choose a later one."),
        "too_far": lazy("Choose a time within the next two years."),
    },
    "texts": {"missing": lazy("Write subject and text in at least one language.")},
    "reason": {
        "missing": lazy("Choose a reason for removing the signature."),
        "unknown": lazy("Choose a reason for removing the signature."),
    },
    "body": {
        "missing": lazy("Write the text."),
        "too_long": lazy("Shorten the text to %(body_limit)s characters."),
        "control_characters": _CONTROLS,
        "too_many_lines": lazy("Shorten the text to %(text)s lines."),
        "too_much_markup": lazy(
            "There is too much markup by line %(line)s: a text can have %(text)s characters such as * [ ] | or <."
        ),
        "too_large_table": lazy("The table in line %(line)s is too large: tables can have %(text)s cells in all."),
        "too_deep": lazy(
            "Line %(line)s: lists, quotations or emphasis are nested too deeply. Use at most %(text)s levels."
        ),
        "dead_link": lazy(
            "Line %(line)s, character %(column)s: the link to “%(text)s” leads nowhere. Write the whole address, "
            "such as https://example.org/page."
        ),
        "tag_in_link": lazy(
            "Line %(line)s, character %(column)s: the address of a link can’t hold the placeholder {{%(text)s}}."
        ),
        "html_tag": lazy(
            "Line %(line)s, character %(column)s: HTML such as %(text)s can’t be used. For bold write **bold**, for "
            "italics *italics*; to show the characters themselves, write them between backticks (`)."
        ),
        "mail_too_large": lazy("Shorten the text: its email would be larger than the 100 KB that email apps show."),
        "not_a_mail": lazy("This text can’t be made into an email. Make it simpler."),
        "unknown_tag": lazy(
            "Line %(line)s, character %(column)s: unknown placeholder {{%(text)s}}. "
            "See the list of placeholders beside the text."
        ),
        "unclosed_tag": lazy("Line %(line)s, character %(column)s: the placeholder beginning with %(text)s has no }}."),
        "not_a_tag": lazy(
            "Line %(line)s, character %(column)s: %(text)s can’t be used here. Placeholders look like {{name}}."
        ),
    },
    "subject": {
        "missing": lazy("Write a subject."),
        "too_long": lazy("Shorten the subject to %(subject_limit)s characters."),
        "control_characters": lazy("Write the subject on one line, without control characters."),
        "personal_tag": lazy(
            "Leave out {{name}}, {{own page}} and {{unsubscribe}}: the subject is the same for everybody."
        ),
        "unknown_tag": lazy("Character %(column)s: unknown placeholder {{%(text)s}}."),
        "unclosed_tag": lazy("Character %(column)s: the placeholder beginning with %(text)s has no }}."),
        "not_a_tag": lazy("Character %(column)s: %(text)s can’t be used here. Placeholders look like {{name}}."),
    },
}
"""What the page says for a problem code of a field."""


def worded(problems: Mapping[str, str]) -> Problems:
    """A sentence for each field with a problem, in the order in which they were found.

    A field of one language, ``de.body``, is worded as ``body``, naming its language; a code may carry a place in the
    text: ``unknown_tag 3:14 nmae``.
    """
    return Problems({name.replace(".", "-"): _sentence(name, code) for name, code in problems.items()})


def _sentence(name: str, code: str) -> str:
    locale, _, field = name.rpartition(".")
    what, _, rest = code.partition(" ")
    place, _, text = rest.partition(" ")
    line, _, column = place.partition(":")
    words = WORDS.get(field, {}).get(what, OTHERWISE)
    said = gettext(
        words,
        limit=_number(MAX_LINE),
        title_limit=_number(MAX_TITLE),
        body_limit=_number(MAX_BODY),
        subject_limit=_number(MAX_SUBJECT),
        line=_digits(line),
        column=_digits(column),
        text=_digits(text) if what.startswith("too_") else text,
    )
    return f"{LANGUAGE_NAMES[locale]}: {said}" if locale in LANGUAGE_NAMES else said


def _number(value: int) -> str:
    return format_number(value, language())


def _digits(text: str) -> str:
    return _number(int(text)) if text.isdecimal() else text


def whole_number(typed: str) -> int:
    """A whole number as people write it: with digits of any script, and blanks, commas or points between groups.

    Raises:
        ValueError: it is none.
    """
    plain = re.sub(r"(?<=\d)[\s.,'’٬،\u00a0\u202f](?=\d{3}(?!\d))", "", typed.strip())
    if not plain.isdecimal() or len(plain) > 12:
        raise ValueError("not a whole number")
    return int(plain)


def whole_numbers(typed: str) -> list[int]:
    """Whole numbers with commas, semicolons, blanks or line ends between them.

    Raises:
        ValueError: one of them is none.
    """
    return [whole_number(part) for part in re.split(r"[,;،؛\s]+", typed) if part]
