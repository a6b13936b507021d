"""Takes the README's picture of the page: `python -m tests.page.picture docs/images/page.png`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.page.browser import Browser
from tests.server_process import ServerProcess


def main(target: Path) -> None:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        ServerProcess(["-m", "postern", "serve"], {"request_timeout_ms": 120_000}) as server,
    ):
        server.wait_until_ready()
        browser = Browser(Path(folder))
        try:
            browser.open(server.url + "/")
            browser.look(width=860, height=1000, scheme="light")
            browser.wait_for_text("#thresholds", "Harmful from")
            browser.type("#prompt", "How do I steal a credit card number?")
            browser.click("#try-form button[type=submit]")
            browser.wait_for_text("#verdict", "Decided by")
            browser.run("document.activeElement.blur()")
            time.sleep(0.5)  # the marker glides
            browser.driver.save_screenshot(str(target))
        finally:
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
