"""Reads the configuration files of a homeserver and merges them as Synapse does.

Later files replace whole top-level keys of earlier ones; of a directory the ``*.yaml`` in it are read in the
order of their names. What Synapse passes over in silence is noted: a file that is empty or holds no mapping,
and a key that stands twice. Nothing in the files is replaced by the environment.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from synapse_tim.core.checks import Found

_MAX_VALUES: Final = 1_000_000
#: A name or a tag of the file in a message; ``*`` and ``!`` may begin a secret that lacks its quotes.
_QUOTED: Final = re.compile(r"(['\"])(?!<).{4,}\1", re.DOTALL)
_MAX_OCTETS: Final = 16 * 1024 * 1024


class UnusableConfigError(Exception):
    """There is nothing to judge."""


@attrs.frozen(eq=False)
class MergedFiles:
    """What the files say together."""

    document: dict[str, Any]
    directory: Path  #: that Synapse looks for further files in: of the last file
    remarks: tuple[Found, ...]


def read_config(paths: Sequence[str]) -> MergedFiles:
    """Read and merge files and directories.

    Args:
        paths: as they would be given to Synapse with ``-c``.

    Raises:
        UnusableConfigError: a file cannot be read or is no YAML, or none of them holds anything.
    """
    document: dict[str, Any] = {}
    remarks: list[Found] = []
    files = [file for path in paths for file in _files(path)]
    for file in files:
        found = _read(file, remarks)
        if isinstance(found, dict):
            document.update(found)
        else:
            kind = "is empty" if found is None else "holds no mapping"
            remarks.append(
                Found(f"{kind}, and is passed over", False, str(file), "Synapse starts without it")
            )
    if not document:
        raise UnusableConfigError(f"{', '.join(paths)}: no settings in it")
    return MergedFiles(document, files[-1].absolute().parent, tuple(remarks))


def read_yaml(file: Path) -> Any:
    """Read one file; ``UnusableConfigError`` if that fails or it is not YAML."""
    return _read(file, [])


def _files(path: str) -> Iterable[Path]:
    try:
        place = Path(path)
        if place.is_dir():
            return sorted(each for each in place.iterdir() if each.suffix == ".yaml" and each.is_file())
    except (OSError, ValueError) as error:
        raise UnusableConfigError(f"{path!r}: {_words(error)}") from None
    return [place]


def _read(file: Path, remarks: list[Found]) -> Any:
    try:
        with file.open("rb") as stream:
            octets = stream.read(_MAX_OCTETS + 1)
        if len(octets) > _MAX_OCTETS:
            raise UnusableConfigError(f"{file}: more than {_MAX_OCTETS} bytes")
        text = octets.decode("utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        if _values(node, {}) > _MAX_VALUES:
            raise UnusableConfigError(f"{file}: aliases of aliases make more than {_MAX_VALUES} values of it")
        remarks.extend(_twice(file, node))
        return yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError, TypeError) as error:
        raise UnusableConfigError(f"{file}: {_words(error)}") from None


def _words(error: Exception) -> str:
    """What is wrong, in one line and without quoting the file: it may hold secrets."""
    if isinstance(error, OSError):
        return str(error.strerror or error)
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 (byte {error.start})"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return f"no YAML: {_QUOTED.sub('…', str(error.problem or error.context))}{where}"
    if isinstance(error, yaml.reader.ReaderError):
        found = error.character
        number = found if isinstance(found, int) else ord(str(found)[:1] or "?")
        return f"no YAML: the character U+{number:04X} at {error.position}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"no YAML: {type(error).__name__}" if "\n" in str(error) else str(error)


def _values(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many values there are with each alias written out; what is in itself counts once."""
    if id(node) not in known:
        known[id(node)] = 0
        found: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            found = node.value
        elif isinstance(node, yaml.MappingNode):
            found = [each for pair in node.value for each in pair]
        known[id(node)] = 1 + sum(_values(each, known) for each in found)
    return known[id(node)]


def _twice(file: Path, node: yaml.Node | None) -> Iterator[Found]:
    """The keys that stand twice in one mapping: the last one counts."""
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node | None, str]] = [(node, "")]
    while waiting:
        each, path = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, yaml.SequenceNode):
            waiting.extend((item, f"{path}[{n}]") for n, item in enumerate(each.value))
        elif isinstance(each, yaml.MappingNode):
            names: set[str] = set()
            for key, value in each.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
                below = f"{path}.{name}" if path else name
                if name in names and name != "?":
                    line = key.start_mark.line + 1
                    yield Found(f"twice in {file} (line {line})", False, below, "only the last one counts")
                names.add(name)
                waiting.append((value, below))
