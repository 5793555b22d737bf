"""One test on several cars at the same time: most of a test of a fault is waiting."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

Scene = Callable[[], AbstractAsyncContextManager[tuple[Any, ...]]]
Test = Callable[..., Awaitable[None]]


def on_each(scenes: Mapping[str, Scene]) -> Callable[[Test], Test]:
    """Decorate a test, which then runs once in each scene, all at the same time; a failure names its scene.

    The test gets what the scene yields; its keyword-only arguments are those of pytest.
    """

    def decorate(test: Test) -> Test:
        async def one(name: str, given: Mapping[str, object]) -> None:
            try:
                async with scenes[name]() as yielded:
                    await test(*yielded, **given)
            except Exception as error:
                error.add_note(f"In the scene: {name}")
                raise

        @functools.wraps(test)
        async def all_(**given: object) -> None:
            async with asyncio.TaskGroup() as group:
                for name in scenes:
                    group.create_task(one(name, given))

        signature = inspect.signature(test)
        of_pytest = [p for p in signature.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        all_.__signature__ = signature.replace(parameters=of_pytest)  # type: ignore[attr-defined]
        return all_

    return decorate


def at_once(values: Iterable[object]) -> Callable[[Test], Test]:
    """Decorate a test, which then runs once with each value, all at the same time; a failure names its value."""

    @asynccontextmanager
    async def with_(value: object) -> AsyncIterator[tuple[object]]:
        yield (value,)

    return on_each({str(value): functools.partial(with_, value) for value in values})
