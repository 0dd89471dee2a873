"""Pages for supporters, and the sign-in page."""
