"""`picar`, and `python -m picar`."""

import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    if sys.platform == "win32":
        print(
            "picar needs Linux or macOS. On Windows, install WSL (wsl --install) and run it there.",
            file=sys.stderr,
        )
        return 1
    from picar.cli import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
