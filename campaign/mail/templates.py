"""The Jinja2 environments of mail: one per language, strict about names, escaping HTML, numbers in the local manner."""

from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.exceptions import TemplateError

from campaign.errors import MailTemplateError
from campaign.i18n import format_date, format_number


class Translations(Protocol):
    """What the templates need of a gettext catalogue; ``babel.support.Translations`` fits."""

    def gettext(self, message: str) -> str:
        """Translate ``message``."""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Translate the singular or plural for ``n``."""


def environment(folder: Path, *, locale: str, translations: Translations) -> Environment:
    """An environment over our own template files.

    Filters: ``number`` writes an integer with the digits and grouping of the language (Persian digits in Persian);
    ``date`` a date in words, in the time zone of the value.
    """
    env = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(enabled_extensions=("html",)),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    env.filters["number"] = lambda number: format_number(number, locale)
    env.filters["date"] = lambda when: format_date(when, locale)
    return env


def render(env: Environment, name: str, context: dict[str, Any]) -> str:
    """Render one template.

    Raises:
        MailTemplateError: for an undefined name or a broken template; names the template.
    """
    try:
        return env.get_template(name).render(context)
    except TemplateError as error:
        raise MailTemplateError(f"The mail template {name} can't be rendered: {error}") from error
