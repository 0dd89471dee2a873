"""Mail on the wire: the SMTP client, relays, and what a reply means."""
