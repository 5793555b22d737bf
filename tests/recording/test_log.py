"""The lines of the log in a recording."""

from __future__ import annotations

import logging

from picar.car.recording import Log


def test_a_line_whose_arguments_do_not_fit_its_text_is_left_out_and_harms_nothing() -> None:
    handler = Log()
    logger = logging.Logger("odd")
    logger.addHandler(handler)
    logger.info("%d", "a text")
    logger.info("%d", None)
    logger.debug("not recorded")
    logger.warning("good %s", "line" * 100)
    ((_, level, text, name),) = handler.lines
    assert (level, text[:10], len(text), name) == (logging.WARNING, "good linel", 300, "odd")
