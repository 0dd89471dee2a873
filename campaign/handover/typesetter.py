"""The program that :mod:`campaign.handover.typesetting` runs: reads a document as JSON, and writes it as PDF."""

import json
import sys
from pathlib import Path

import typst

HERE = Path(__file__).parent


def main() -> None:
    """Set what standard input asks for."""
    asked = json.load(sys.stdin)
    template = HERE / f"{asked['template']}.typ"
    data = json.dumps(asked["data"], ensure_ascii=False)
    made = typst.compile(str(template), format="pdf", font_paths=[str(HERE / "fonts")], sys_inputs={"data": data})
    sys.stdout.buffer.write(made)


if __name__ == "__main__":
    main()
