"""`python -m model_training`: the command line, or one line that names a missing package."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 2 if a package that training needs is missing."""
    try:
        # imported here, because everything else needs some package
        from model_training.cli import run_command

        return run_command(argv)
    except ModuleNotFoundError as exc:
        package, _, inside = (exc.name or "").partition(".")
        if not package or package == "model_training" or (package == "postern" and inside):
            raise  # a bug of ours, which installing a package does not fix
        print(
            f"model_training: the package {package!r} is missing. Training runs from a clone: "
            "`make test` makes an environment for it in .venv; or `pip install -r "
            "requirements/test.txt`, then `pip install --no-deps --editable .`",
            file=sys.stderr,
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
