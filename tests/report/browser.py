"""A real browser for the tests of the page: Debian's Chromium, without a window, offline."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium; skip where there is none, unless this is CI, which installs it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        program = None
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium or no playwright: see .ci/run")
        pytest.skip("needs Chromium (apt install chromium) and playwright (pip install -e '.[dev]')")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


class Tab:
    """A page that has been opened, and all that went wrong or out on the way."""

    def __init__(self, started: Any, file: Path, *, width: int = 1366, height: int = 768, dark: bool = False) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        scheme = "dark" if dark else "light"
        self.context = started.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self._take(dialog))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.resolve().as_uri(), wait_until="load")

    def _take(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return str(self.page.inner_text(selector))

    def run(self, script: str) -> Any:
        """Return what an expression is in the page."""
        return self.page.evaluate(script)

    def wait_until(self, script: str, seconds: float = 10.0) -> None:
        """Wait until an expression is true; the page's policy forbids playwright's own way, which evaluates text."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"it never came true: {script}"
            self.page.wait_for_timeout(30)

    def choose(self, selector: str, value: str) -> None:
        """Choose an entry of a list by its value or its text."""
        self.page.select_option(selector, value)

    def close(self) -> None:
        """Close the tab."""
        self.context.close()
