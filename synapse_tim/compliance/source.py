"""Requirements and denials that the package names, read from its source without running it."""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

#: gematik's ids of requirements and use cases.
ID: Final = re.compile(r"AF?_[0-9]{5}(?:-[0-9]{2})?")
#: Folders in which nothing is enforced.
_TOOLS: Final = frozenset({"admin", "check", "cli", "compliance", "demo", "testing"})


@attrs.frozen(order=True)
class Place:
    """A module, class or function."""

    module: str  #: dotted name
    name: str  #: dotted name of the class or function, or that of the module


@attrs.frozen
class Source:
    """What was found."""

    naming: Mapping[str, Sequence[Place]]  #: by id, whose docstrings name it
    using: Mapping[str, Sequence[str]]  #: by name of a denial, the modules that use it


@functools.cache
def read_package() -> Source:
    """Read the modules of the package that may enforce something."""
    root = Path(__file__).parents[1]
    naming: dict[str, list[Place]] = defaultdict(list)
    using: dict[str, list[str]] = defaultdict(list)
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root.parent).with_suffix("")
        if path.parts[1] in _TOOLS:
            continue
        module = ".".join(path.parts).removesuffix(".__init__")
        tree = ast.parse(file.read_bytes())
        for name, text in _docstrings(tree, module):
            for each in dict.fromkeys(ID.findall(text)):
                naming[each].append(Place(module, name))
        for name in _imported_denials(tree):
            using[name].append(module)
    return Source(naming, using)


def _docstrings(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, str]]:
    yield name, ast.get_docstring(node, clean=False) or ""
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(child, f"{name}.{child.name}")


def _imported_denials(tree: ast.Module) -> Iterable[str]:
    """Names of denials, as the catalogue has them."""
    return {
        alias.name.lower()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith("denials")
        for alias in node.names
    }
