"""Asserting that parts of Synapse look as expected, and putting something around them.

A new release may look different. Then start-up fails with a message that says so; nothing silently stops
enforcing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from synapse.module_api.errors import ConfigError

#: Calls something of Synapse with arguments that may have been changed.
Around = Callable[[Callable[[], Awaitable[Any]], dict[str, Any]], Awaitable[Any]]


def attribute(owner: object, name: str, what: str) -> Any:
    """An attribute of something of Synapse.

    Args:
        owner: of the attribute.
        name: of the attribute.
        what: for the message.

    Raises:
        ConfigError: there is no such attribute.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        raise incompatible(what) from None


def incompatible(what: str) -> ConfigError:
    """The error of a Synapse that looks different from those that are supported.

    Args:
        what: is different.
    """
    from synapse import __version__ as synapse_version

    return ConfigError(
        f"synapse_tim does not know this Synapse ({synapse_version}): {what} is not as expected. "
        "Use a release of synapse_tim that lists this version as supported.",
        path=("modules",),
    )


def around(owner: object, method: str, parameters: Iterable[str], run: Around) -> None:
    """Put something around a method of an object of Synapse.

    Args:
        owner: the object.
        method: its name.
        parameters: that the method has to have.
        run: called with the way to call the method, and its arguments, which may be changed.

    Raises:
        ConfigError: the method does not look as expected.
    """
    what = f"{type(owner).__name__}.{method}"
    original = attribute(owner, method, what)
    signature = inspect.signature(original)
    for name in parameters:
        if name not in signature.parameters:
            raise incompatible(f"{what}({name}=…)")

    @functools.wraps(original)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        return await run(lambda: original(*bound.args, **bound.kwargs), bound.arguments)

    setattr(owner, method, wrapped)
