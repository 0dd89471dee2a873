"""Accounts of organisers and admins, sign-in, the audit log, and the rules for names and addresses."""
