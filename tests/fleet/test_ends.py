"""The orderly end of the bridge's tasks."""

from __future__ import annotations

import asyncio

from picar.fleet.car import end


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def lose() -> None:
        nonlocal lost
        while lost < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
        await asyncio.sleep(60)

    async def fail() -> None:
        raise ValueError

    tasks = [asyncio.create_task(lose()), asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    await end(tasks, 0.01)
    assert lost == 3
    assert [task.done() for task in tasks] == [True] * 3
