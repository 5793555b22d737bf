"""`picar restore`."""

from __future__ import annotations

import argparse

from picar.commands.backup import PROFILE, put_back, restored


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="an archive of picar backup")
    parser.add_argument("--config", metavar="FILE", help="where the configuration goes; default as for serve")


def run(options: argparse.Namespace) -> int:
    """Put the files of a backup back; the files that they replace are kept."""
    texts = restored(options.file)
    for line in put_back(texts, options.config):
        print(line)
    if PROFILE in texts:
        print("Load the WiFi: sudo nmcli connection reload")
    print("Start picar again: sudo systemctl restart picar")
    return 0
