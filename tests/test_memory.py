"""Memory that is freed stays, and asking twice is asking once."""

import platform

import pytest

from harness.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_glibc_listens_and_is_told_once() -> None:
    assert keep_freed_memory()
    assert keep_freed_memory()
    assert keep_freed_memory.cache_info().misses <= 1
