"""The command line: ``countersign …``. One module per noun; :mod:`campaign.cli.main` puts them together."""

from campaign.cli.main import main

__all__ = ["main"]
