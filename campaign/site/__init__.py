"""The site as a whole: what admins set for it while it runs, and its switches."""
