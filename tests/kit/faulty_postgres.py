"""A PostgreSQL that a test spoils as an admin might: rules of log-in, roles, databases."""

from urllib.parse import quote

import psycopg

from campaign.local.servers import postgres
from campaign.settings import Settings

PASSWORD = "p@ss/word"


class FaultyPostgres:
    """A server with a role ``guest`` that needs a password, and a role ``barred`` that may not log in."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.url = url
        self.cluster = postgres.cluster(settings)
        self._first_rules = (self.cluster / "pg_hba.conf").read_text()
        self.run(f"create role guest login password '{PASSWORD}'")
        self.run("create role barred")
        self.rules("local all guest scram-sha-256")

    def run(self, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rules(self, *lines: str) -> None:
        """Put lines before those of pg_hba.conf that let all users of this machine in."""
        (self.cluster / "pg_hba.conf").write_text("\n".join([*lines, self._first_rules]))
        self.run("select pg_reload_conf()")

    def url_of(self, user: str = "guest", password: str = PASSWORD, database: str = "countersign") -> str:
        """A URL through the socket."""
        return f"postgresql://{user}:{quote(password, safe='')}@/{database}?{self.url.partition('?')[2]}"
