"""The modules of the product, read and parsed once in a process, for the tests that look at all of them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.kit.engines import ROOT


@dataclass(frozen=True)
class Source:
    """A module of the product: its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def at(self, node: ast.stmt | ast.excepthandler) -> str:
        """Where a node is, as editors open it."""
        return f"{self.name}:{node.lineno}"


@cache
def sources() -> list[Source]:
    """Every module but the migrations, parsed once in a process."""
    folders = [path for part in ("campaign", "tasks") for path in sorted((ROOT / part).rglob("*.py"))]
    paths = [path for path in [*folders, ROOT / "web.py", ROOT / "worker.py"] if "versions" not in path.parts]
    texts = {path: path.read_text() for path in paths}
    return [Source(path, text, ast.parse(text)) for path, text in texts.items()]
