"""Updates and milestone announcements to many recipients."""
