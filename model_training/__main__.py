"""`python -m model_training`: one line where a package is missing, else the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code. 2 where what training needs is not installed."""
    try:
        from model_training.cli import run_command  # inside, as all else needs some package

        return run_command(argv)
    except ModuleNotFoundError as exc:
        package, _, inside = (exc.name or "").partition(".")
        if not package or package == "model_training" or (package == "postern" and inside):
            raise  # a mistake of ours, which no package repairs
        print(
            f"model_training: the package {package!r} is missing. Training runs from a clone: "
            "`make test` makes an environment for it in .venv; or `pip install -r "
            "requirements/test.txt`, then `pip install --no-deps --editable .`",
            file=sys.stderr,
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
