"""Our SMTP client: a ring of kept connections, driven by one thread."""

import selectors
from collections.abc import Iterable

from campaign.smtp.limits import LimitStore, LocalLimits, RelayLimits
from campaign.smtp.ring import OnOffer, RingDelivery
from campaign.smtp.session import Session
from campaign.smtp.settings import Security, SmtpSettings
from campaign.smtp.transport import Envelope, OnOutcome, OnSubmit

__all__ = ["SmtpSettings", "SmtpTransport"]


class SmtpTransport:
    """See :class:`~campaign.smtp.transport.Transport`. One thread at a time; make it after a fork, not before."""

    def __init__(
        self, settings: SmtpSettings, *, on_offer: OnOffer | None = None, limits: RelayLimits | None = None
    ) -> None:
        """Wire a transport; ``on_offer`` gets the server's extensions, as each session begins."""
        self._settings = settings
        self._limits = limits or RelayLimits(
            f"{settings.host}:{settings.port}",
            LocalLimits(),
            fixed_messages="messages" in settings.fixed,
            fixed_rate="rate" in settings.fixed,
        )
        self._on_offer = on_offer
        self._tls = None if settings.security is Security.NONE else settings.tls_context()
        self._selector: selectors.BaseSelector | None = None
        self._sessions: list[Session] = []

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.smtp.transport.Transport`.

        If ``envelopes`` raises, what is on the wire is finished first. If a callback raises, all connections are cut:
        what was submitted and has no outcome yet is then for the caller to call uncertain.
        """
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        delivery = RingDelivery(
            self._settings,
            self._selector,
            tls=self._tls,
            sessions=self._sessions,
            envelopes=iter(envelopes),
            on_submit=on_submit,
            on_outcome=on_outcome,
            on_offer=self._on_offer,
            limits=self._limits,
        )
        try:
            delivery.run()
        finally:
            # Left to do only if something was raised; and connections still being opened are not needed.
            for session in self._sessions:
                if session.is_working or session.is_opening:
                    session.connection.close()

    def share_limits(self, store: LimitStore) -> None:
        """See :class:`~campaign.smtp.limits.LimitedTransport`."""
        self._limits.share(store)

    def rest(self) -> None:
        """See :class:`~campaign.smtp.limits.LimitedTransport`."""
        if self._sessions:
            # Another process may have learned meanwhile that there are few.
            self._limits.refresh(open_now=len(self._sessions))
        if self._limits.is_crowded:
            self._leave()
            self._limits.released(0)

    def _leave(self) -> None:
        for session in self._sessions:
            if session.is_open:
                session.quit()
        self._sessions.clear()

    def close(self) -> None:
        """QUIT on all connections."""
        for session in self._sessions:
            if session.is_open:
                session.quit(patience=1.0)
        self._sessions.clear()
        self._limits.released(0)
        if self._selector is not None:
            self._selector.close()
            self._selector = None
