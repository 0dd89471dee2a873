"""Run commands as a shell would: arguments and environment in, exit status and both streams out."""

from dataclasses import dataclass

from click.testing import CliRunner

from campaign.cli.main import main
from tests.kit.worlds import KEYS, World


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A shell whose environment names the database of a test."""

    world: World

    def __call__(self, *arguments: str, stdin: str | bytes = "", **environ: str) -> Ran:
        """Run ``countersign`` with these arguments; ``environ`` adds variables."""
        settings = self.world.runtime.settings
        known = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": "",
            "COUNTERSIGN_DATA": str(settings.data),
            "COUNTERSIGN_KEYS": KEYS,
            "SMTP_URL": settings.smtp_url,
        }
        with CliRunner().isolation(input=stdin, env=known | environ) as (out, err, _):
            status = main(list(arguments))
            return Ran(status, out.getvalue().decode(), err.getvalue().decode())
