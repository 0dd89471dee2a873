"""Signatures: from the sign-up to confirmation, preferences, lists, exports and the count."""
