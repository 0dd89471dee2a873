"""Merge tags of an organiser's text outside mail: for the public page and for the editor's live preview."""

import re
from collections.abc import Mapping

from campaign.domain import merge_tags
from campaign.domain.blast import Blast
from campaign.i18n import format_number
from campaign.petitions.markdown import to_html
from campaign.petitions.petitions import Opened
from campaign.petitions.rules import next_goal
from campaign.runtime import Runtime

LINKS = frozenset({"link", "own page", "unsubscribe"})
"""Tags whose value is an address: it stands in the Markdown as it is, also as the target of a link."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~&])")


def shared_values(runtime: Runtime, opened: Opened, blast: Blast, locale: str, *, name: str) -> dict[str, str]:
    """A value for every tag that shows nobody's own page: each personal link leads to the petition.

    Args:
        runtime: the runtime.
        opened: the petition.
        blast: the update; once it has begun the count is that of its begin.
        locale: how numbers are written.
        name: what stands for the reader's name.
    """
    count = opened.petition.count if blast.count_at_start is None else blast.count_at_start
    link = f"{runtime.settings.base_url}/p/{opened.petition.slug}?lang={locale}"
    return {
        "name": name,
        "count": format_number(count, locale),
        "goal": format_number(next_goal(count, fixed=opened.petition.fixed_goal), locale),
        "petition": opened.text_for(locale).title,
        **dict.fromkeys(LINKS, link),
    }


def merged_html(markdown: str, values: Mapping[str, str]) -> str:
    """Safe HTML of a text with its tags filled in; a value can't be taken for Markdown."""

    def value(tag: str) -> str:
        return values[tag] if tag in LINKS else _PUNCTUATION.sub(r"\\\1", values[tag])

    return to_html(merge_tags.merge(markdown, value))


def merged_line(text: str, values: Mapping[str, str]) -> str:
    """A subject with its tags filled in."""
    return merge_tags.merge(text, values.__getitem__)
