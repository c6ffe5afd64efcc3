from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.report.browser import browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for one module: a longer life would keep its event loop running under other tests."""
    with browser() as started:
        yield started
