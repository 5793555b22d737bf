"""The log: one line for each thing, whatever strangers send, and not too many of them."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

import pytest

from picar import log


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The root logger as picar sets it up."""
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers.clear()
    log.to_stderr()
    yield root
    root.handlers[:] = before


def test_a_line_is_one_line_without_control_characters(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    logger.warning("a\nb\x1b[31m%s", "\u202eé")
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "a\\nb\\x1b[31m\\u202eé" in said


def test_a_long_line_is_cut(logger: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    logger.warning("x" * 100_000)
    assert len(capfd.readouterr().err) < log.MAX_CHARACTERS + 50


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "out of resources: Too many open files"),
        (MemoryError(), "out of memory"),
        (SystemError("error return without exception set"), "out of memory"),
    ],
)
def test_a_shortage_is_named_without_a_traceback(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    logger.error("Uncaught exception", exc_info=error)
    assert capfd.readouterr().err.rstrip().endswith(f"ERROR {said}")


def test_another_failure_keeps_its_traceback(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    logger.error("picar cannot go on", exc_info=OSError(errno.EIO, "Input/output error"))
    assert "picar cannot go on\nOSError" in capfd.readouterr().err


def record(level: int = logging.INFO, name: str = "tornado") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, "line", (), None)


def test_so_many_lines_pass_and_then_it_says_how_many_did_not() -> None:
    now = 100.0
    calm = log.Calm(clock=lambda: now)
    assert [calm.filter(record()) for _ in range(log.BURST)] == [True] * log.BURST
    assert [calm.filter(record()) for _ in range(7)] == [False] * 7
    assert calm.filter(record(logging.CRITICAL))
    assert calm.filter(record(name="picar")), "another's noise must not hide why the car stopped"
    now += log.WINDOW_S
    next_one = record()
    assert calm.filter(next_one)
    assert next_one.getMessage() == "line (7 lines before this were left out)"
    assert calm.filter(record())


def test_a_line_that_there_is_no_memory_for_is_left_out_and_ends_nothing(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    class Greedy:
        def __str__(self) -> str:
            raise MemoryError

    def record(message: object) -> logging.LogRecord:
        return logging.LogRecord("x", logging.ERROR, "", 0, message, (), None)

    handler = next(each for each in logger.handlers if type(each).__module__ == log.__name__)
    assert not handler.handle(record(Greedy()))
    assert handler.handle(record("goes on"))
    assert capfd.readouterr().err.count("\n") == 1
