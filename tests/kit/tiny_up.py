"""A supervisor of tiny programs, to be killed by tests: ``python -m tests.kit.tiny_up <program>…``.

A program is named like what it does; see :data:`PROGRAMS`. What they tell goes to ``<data>/told``, a line each.
"""

import sys

import click

from campaign.errors import CountersignError
from campaign.local.servers.children import Child
from campaign.local.servers.supervisor import Plan, Step, Supervisor
from campaign.settings import Settings, load_settings

BASE = """
import os, signal, subprocess, sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[2])
def tell(word):
    with open(folder / "told", "a") as file:
        file.write(f"{word} {name} {os.getpid()}\\n")
def leave(*_):
    tell("end")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
tell("begin")
"""
PROGRAMS = {
    "steady": "print('ready', flush=True)\ntime.sleep(600)",
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)",
    "parent": "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('ready', flush=True)\ntime.sleep(600)",
    "dying": "print('the reason', flush=True)\nsys.exit(3)",
}


def main(programs: list[str]) -> int:
    settings = load_settings()

    def children(_: Settings) -> list[Child]:
        return [
            Child(
                f"{program}-{number}",
                (sys.executable, "-c", BASE + PROGRAMS[program], f"{program}-{number}", str(settings.data)),
                lambda written: "ready" in written,
                stage=number,
            )
            for number, program in enumerate(programs)
        ]

    steps = [Step("Step", lambda found: f"database {'given' if found.database_url else 'missing'}")]
    plan = Plan(["Hello."], steps, children, lambda _: ["Welcome."])
    try:
        return Supervisor(settings, plan, say=click.echo).run()
    except CountersignError as problem:
        click.echo(problem, err=True)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
