"""Every key of the configuration block: what it takes, its default, and what it is for.

Made of the classes that check the block, so that it says what they do: names, types and defaults are theirs,
the meaning is what stands below each field.
"""

import ast
import enum
import inspect
import itertools
import json
import textwrap
import types
import typing
from collections.abc import Container, Iterator
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from synapse_tim.core import config_types, durations
from synapse_tim.core.config_types import Block, ByProduct, InMilliseconds, PartConfig
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.ti_messenger_config import BLOCKS
from synapse_tim.transport import urls

#: How texts that are checked are called.
_TEXTS: Final = (
    (urls.SecureUrl, "https URL"),
    (urls.TrustedUrl, "https URL"),
    (urls.BaseUrl, "URL"),
    (urls.Url, "URL"),
    (config_types.ReadablePath, "file"),
    (config_types.Pin, "fingerprint or file"),
)
_PLAIN: Final[dict[object, str]] = {
    bool: "true or false",
    int: "number",
    str: "text",
    object: "anything",
    Any: "anything",
}
_SAYS_DEFAULT: Final = "Default: "


@attrs.frozen
class Key:
    """One key."""

    path: str  #: from the block down; ``[]`` stands for each entry of a list
    takes: str
    default: str  #: what counts if it is not there
    meaning: str


def keys() -> Iterator[Key]:
    """All keys, each followed by those below it: those of all parts first, then as the parts are named."""
    yield from keys_of(PartConfig, "")
    for model in BLOCKS.values():
        yield from keys_of(model, "", without=PartConfig.model_fields)


def keys_of(model: type[BaseModel], above: str, without: Container[str] = ()) -> Iterator[Key]:
    """The keys of one block, each followed by those below it."""
    hints = typing.get_type_hints(model, include_extras=True)
    texts = _docstrings(model)
    for name, field in model.model_fields.items():
        if name in without:
            continue
        path = f"{above}{name}"
        meaning, default = _meaning(texts.get(name, ""))
        yield Key(path, _takes(hints[name]), default or _default(field, hints[name]), meaning)
        block, repeated = _block(hints[name])
        if block is not None:
            yield from keys_of(block, f"{path}[]." if repeated else f"{path}.")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each field of a block.

    Pydantic's ``use_attribute_docstrings`` finds the same, but parses the source at each import,
    which takes each process of a homeserver a tenth of a second.
    """
    found: dict[str, str] = {}
    for block in reversed(model.__mro__):
        if not issubclass(block, Block):
            continue
        source = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(block))))
        definition = next(node for node in source if isinstance(node, ast.ClassDef))
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    found[name] = text
    return found


def _meaning(docstring: str) -> tuple[str, str]:
    """What the docstring of a field says, and the default if it says that, too."""
    text = " ".join(inspect.cleandoc(docstring).split())
    meaning, says, default = text.partition(f" {_SAYS_DEFAULT}")
    return meaning, default.rstrip(".") if says else ""


def _default(field: FieldInfo, hint: Any) -> str:
    if field.is_required():
        return "required"
    for mark in field.metadata:
        if isinstance(mark, ByProduct):
            return _by_product(mark, hint)
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ([], {}):
        return "none"
    if isinstance(value, BaseModel):
        return "as below"
    return _value(value, hint)


def _value(value: object, hint: Any) -> str:
    if value is None:
        return "`off`"
    if isinstance(value, int) and not isinstance(value, bool) and _is_duration(hint):
        return f"`{durations.to_text(value)}`"
    plain = value.value if isinstance(value, enum.Enum) else value
    return f"`{plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)}`"


def _by_product(mark: ByProduct, hint: Any) -> str:
    """The defaults, each with the generations, and the product where that matters."""
    conditions: dict[str, list[str]] = {}
    for version in SpecVersion:
        products = [Product.PRO] if version.is_legacy else list(Product)
        values = [_value(mark.default(product, version), hint) for product in products]
        if len(set(values)) == 1:
            conditions.setdefault(values[0], []).append(version.value)
            continue
        for product, value in zip(products, values, strict=True):
            conditions.setdefault(value, []).append(f"{version.value} ({product.value})")
    return "; ".join(f"{value} in {', '.join(where)}" for value, where in conditions.items())


def _is_duration(hint: Any) -> bool:
    return any(isinstance(each, InMilliseconds) for part in _walk(hint) for each in _metadata(part))


def _walk(hint: Any) -> Iterator[Any]:
    yield hint
    for each in get_args(hint):
        yield from _walk(each)


def _metadata(hint: Any) -> tuple[Any, ...]:
    return tuple(hint.__metadata__) if get_origin(hint) is Annotated else ()


def _takes(hint: Any) -> str:
    """What a key takes, in words."""
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        metadata, hint = _metadata(hint), get_args(hint)[0]
    if any(isinstance(each, InMilliseconds) for each in metadata):
        return "duration, or `off`" if type(None) in get_args(hint) else "duration"
    for alias, words in _TEXTS:
        if not set(_metadata(alias)).isdisjoint(metadata):
            return words
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_takes(each) for each in arguments if each is not type(None))
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is list:
        return f"list: {_takes(arguments[0])}"
    if origin is dict or (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return "mapping"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return " or ".join(f"`{each.value}`" for each in hint)
    return _PLAIN[hint]


def _block(hint: Any) -> tuple[type[BaseModel] | None, bool]:
    """The block that a key holds, if it does, and whether it is a list of them."""
    for part in _walk(hint):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part, any(get_origin(each) is list for each in _walk(hint))
    return None, False
