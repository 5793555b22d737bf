"""`Value`: the base of frozen dataclasses.

The methods that `dataclass` generates for a class take about 30 kB; here all classes share them. A value that is made
often, as for each command, is a `NamedTuple` instead.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """A frozen dataclass: a subclass declares its fields, and nothing else. For `mypy`, the constructor has their types."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__dataclass_fields__
        if len(values) > len(fields):
            raise TypeError(
                f"{type(self).__name__} has {len(fields)} fields, and {len(values)} values are given"
            )
        given = dict(zip(fields, values, strict=False)) | named
        if unknown := given.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}")
        for name, field in fields.items():
            vars(self)[name] = given[name] if name in given else _default(field)

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    def __repr__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def _compared(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in dataclasses.fields(self) if f.compare)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is dataclasses.MISSING:
        raise TypeError(f"{field.name} is missing")
    return field.default_factory()
