"""One browser for all tests of the page; after each, its policy must have held."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.page.browser import Browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser with empty downloads.

    Afterwards: nothing was asked of any other origin, and the console holds no complaint, which a
    breach of the content security policy would be.
    """
    for path in chromium.downloads.iterdir():
        path.unlink()
    yield chromium
    requested = chromium.requested()
    assert requested
    assert [
        url for url in requested if not url.removeprefix("blob:").startswith(chromium.origin)
    ] == []
    assert chromium.console() == []
