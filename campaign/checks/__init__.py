"""Checks of an installation: what `countersign doctor` tells, and what web and workers look at before they begin."""
