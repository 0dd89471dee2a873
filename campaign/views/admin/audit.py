"""The audit log, for admins: who did what, newest first."""

from flask import Blueprint, Response, request

from campaign.accounts import accounts, audit
from campaign.variables import ROOT
from campaign.views.access import Access, allow
from campaign.views.admin import audit_words
from campaign.views.admin.suppressions import before
from campaign.views.current import runtime
from campaign.views.rendering import page

pages = Blueprint("admin_audit", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/admin/audit")
@allow(Access.ADMIN)
def index() -> Response:
    """A page of the log."""
    action, person = request.args.get("action", "")[:60], request.args.get("account", "")
    account_id = int(person) if person.isdecimal() and len(person) < 10 else None
    log = audit.read(runtime(), action=action or None, account_id=account_id, before=before())
    return page(
        "admin/audit.html",
        log=log,
        told=audit_words.tell(runtime(), log.entries),
        actions=sorted(((code, audit_words.action(code)) for code in log.actions), key=lambda pair: pair[1]),
        people=accounts.list_all(runtime()),
        action=action,
        account_id=account_id,
    )
