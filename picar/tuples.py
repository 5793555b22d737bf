"""`NamedTuple` and `Protocol` for the motor process, without `typing`, which takes 0.6 MiB.

A type checker sees those of `typing`.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # true for a type checker

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
else:
    Protocol = object

    class _Fields(type):
        """Derives a class with annotated fields from a `collections.namedtuple`."""

        def __new__(cls, name, bases, members):
            if not bases:
                return super().__new__(cls, name, bases, members)
            fields = members["__annotations__"]
            defaults = [members.pop(field) for field in fields if field in members]
            made = namedtuple(name, fields, defaults=defaults, module=members["__module__"])
            return type(name, (made,), {"__slots__": (), **members})

    class NamedTuple(metaclass=_Fields):
        """The base of a class whose annotations are the fields of a tuple."""
