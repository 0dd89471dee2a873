"""Webhooks of mail providers: one module each, with its proof, and its words for our events as a table."""
