"""Networks that sign-ups come from, as labels that say nothing."""
