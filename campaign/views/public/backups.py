"""What pages say about copies in backups, which outlive what is erased."""

from datetime import timedelta

from campaign import i18n
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import language


def copies_of_today() -> str:
    """Until when what is erased today can be read in backups; empty if none are kept."""
    days = runtime().settings.backup_days
    if not days:
        return ""
    last = i18n.format_date(runtime().clock() + timedelta(days=days), language())
    return _(
        "Copies in backups, which are encrypted too, are readable until %(date)s. Then the last one is deleted.",
        date=last,
    )
