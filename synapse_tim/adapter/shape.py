"""Table of what is used of Synapse beyond its module API: asserted at start-up, printed as reference.

A new release may look different. Then start-up fails with a ``ConfigError`` that says so, for every
capability; nothing silently stops enforcing. Each capability of the adapter declares here what it touches,
and gets at it in no other way, so ``synapse-tim reference synapse`` prints what is asserted.
"""

import enum
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attr
import attrs
from synapse.module_api.errors import ConfigError

#: Calls something of Synapse with arguments that may have been changed.
Wrapper = Callable[[Callable[[], Awaitable[Any]], dict[str, Any]], Awaitable[Any]]


class Use(enum.Enum):
    """What is done with something of Synapse."""

    READ = "read"
    CALLED = "called"
    WRAPPED = "wrapped"
    CHANGED = "changed"


@attrs.frozen
class Touched:
    """One function or attribute of Synapse."""

    capability: str
    path: str
    #: That it has to have: ``(a, b)`` exactly these, ``(a, b, …)`` as the first ones, ``(…, a, b)`` anywhere;
    #: empty if they do not matter.
    parameters: str
    use: Use
    why: str
    #: The releases of Synapse in which it is there: the first, such as ``(1, 155)``, and the first without.
    since: tuple[int, int] = (0, 0)
    before: tuple[int, int] = (sys.maxsize, 0)

    @property
    def expected(self) -> bool:
        """Whether the installed Synapse has to have it."""
        return self.since <= installed_synapse() < self.before

    @property
    def access(self) -> str:
        """``private`` with a name that begins with an underscore, otherwise ``internal``."""
        return "private" if "._" in self.path else "internal"

    @property
    def name(self) -> str:
        """The name of the attribute."""
        return self.path.rpartition(".")[2]

    def unexpected(self, detail: str = "") -> ConfigError:
        """The error of a Synapse where this looks different."""
        label = ".".join(self.path.split(".")[-2:])
        return incompatible(f"{label}{self.parameters}{detail}")

    def of(self, owner: object) -> Any:
        """Get it.

        Returns:
            Its value; ``None`` for a field of an attrs class, which only instances have.

        Raises:
            ConfigError: it is not there, or has other parameters.
        """
        try:
            value = getattr(owner, self.name)
        except AttributeError:
            if isinstance(owner, type) and attr.has(owner) and self.name in attr.fields_dict(owner):
                return None
            raise self.unexpected() from None
        if self.parameters and not _has_parameters(value, self.parameters):
            raise self.unexpected()
        return value

    def wrap(self, owner: object, run: Wrapper) -> None:
        """Put something around an asynchronous function.

        Args:
            owner: the object or module that has it.
            run: called with the way to call the function, and its arguments, which may be changed.

        Raises:
            ConfigError: it is not there, or has other parameters.
        """
        original = self.of(owner)
        signature = inspect.signature(original)
        has_names = all(each.kind is each.POSITIONAL_OR_KEYWORD for each in signature.parameters.values())
        names = tuple(signature.parameters)

        @functools.wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            # Nearly always; to bind them costs as much as all else that is done for a message to a device.
            if has_names and len(args) <= len(names) and kwargs.keys().isdisjoint(names[: len(args)]):
                arguments = dict(zip(names, args, strict=False)) | kwargs
                return await run(lambda: original(**arguments), arguments)
            bound = signature.bind(*args, **kwargs)
            return await run(lambda: original(*bound.args, **bound.kwargs), bound.arguments)

        setattr(owner, self.name, wrapped)


#: All that is declared, in the order of the modules.
TOUCHED: Final[list[Touched]] = []


class Touches:
    """Declares what one capability touches."""

    def __init__(self, capability: str) -> None:
        self._capability = capability

    def reads(self, path: str, why: str) -> Touched:
        """Declare what is read: ``path`` with the parameters, if it is a function that is looked at."""
        return self._add(path, Use.READ, why)

    def calls(self, path: str, why: str) -> Touched:
        """Declare what is called: ``path`` with the parameters."""
        return self._add(path, Use.CALLED, why)

    def wraps(self, path: str, why: str, **releases: tuple[int, int]) -> Touched:
        """Declare what something is put around: ``path`` with the parameters; ``since`` or ``before``."""
        return self._add(path, Use.WRAPPED, why, **releases)

    def changes(self, path: str, why: str) -> Touched:
        """Declare what gets another value."""
        return self._add(path, Use.CHANGED, why)

    def getter(self, name: str, kind: str) -> Touched:
        """Declare a method of Synapse's ``HomeServer`` that returns one of its handlers or stores."""
        return self._add(f"synapse.server.HomeServer.{name}", Use.CALLED, f"returns the `{kind}`")

    def _add(self, declared: str, use: Use, why: str, **releases: tuple[int, int]) -> Touched:
        path, bracket, parameters = declared.partition("(")
        touched = Touched(self._capability, path, bracket + parameters, use, why, **releases)
        TOUCHED.append(touched)
        return touched


def installed_synapse() -> tuple[int, int]:
    """Major and minor number of the installed Synapse."""
    from synapse import __version__ as synapse_version

    major, minor = synapse_version.split(".")[:2]
    return int(major), int(minor)


def incompatible(what: str) -> ConfigError:
    """The error of a Synapse that looks different from those that are supported."""
    from synapse import __version__ as synapse_version

    return ConfigError(
        f"synapse_tim does not know this Synapse ({synapse_version}): {what} is not as expected. "
        "Use a release of synapse_tim that lists this version as supported.",
        path=("modules",),
    )


def _has_parameters(function: Any, wanted: str) -> bool:
    found = [name for name in inspect.signature(function).parameters if name != "self"]
    names = [name.strip() for name in wanted.strip("()").split(",")]
    if names[0] == "…":
        return set(names[1:]) <= set(found)
    if names[-1] == "…":
        return found[: len(names) - 1] == names[:-1]
    return found == names
