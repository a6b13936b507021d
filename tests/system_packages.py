"""Programs outside of Python that some tests run. Where one is absent, its tests say so and skip.

With POSTERN_TEST_REQUIRE_ALL=1, absence fails. `python tests/system_packages.py` prints the Debian
packages of what is absent here; `.ci/run` installs them. Only the standard library at import.
"""

from __future__ import annotations

import os
import shutil

REQUIRE_ALL = "POSTERN_TEST_REQUIRE_ALL"

# program -> Debian package that has it
PACKAGES = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "node": "nodejs",
    "npm": "npm",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "curl": "curl",
    "strace": "strace",
    "haproxy": "haproxy",
}


def absent(*programs: str) -> list[str]:
    """Those of the programs that are not on PATH. Raises KeyError for one without a package."""
    return [name for name in programs if PACKAGES[name] and shutil.which(name) is None]


def require(*programs: str) -> tuple[str, ...]:
    """Paths of the programs. Skips the test or module that asks where one is absent, or fails it.

    Call it from a fixture, or at the top of a test.
    """
    import pytest

    lacking = absent(*programs)
    if lacking:
        packages = " ".join(sorted({PACKAGES[name] for name in lacking}))
        reason = f"not on PATH: {', '.join(lacking)} (on Debian: apt-get install {packages})"
        if os.environ.get(REQUIRE_ALL) == "1":
            pytest.fail(f"{reason}; {REQUIRE_ALL}=1 asks for every test", pytrace=False)
        pytest.skip(reason, allow_module_level=True)
    return tuple(str(shutil.which(name)) for name in programs)


if __name__ == "__main__":
    print(*sorted({PACKAGES[name] for name in absent(*PACKAGES)}))
