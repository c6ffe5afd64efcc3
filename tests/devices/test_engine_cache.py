"""What engines are kept by, and how long."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.agent.engines.cache import EngineCache, digest
from devices.agent.engines.contract import EngineError

SYSTEM = {"l4t": "36.3.0", "power_mode": "MAXN"}


def writer(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines", lambda: SYSTEM, limit_bytes=1000)


def test_what_is_kept_is_found_by_another_object_and_nothing_else_is(cache: EngineCache) -> None:
    key = cache.key(network="a", precision="fp32")
    kept = cache.keep(key, writer(b"plan"))
    again = EngineCache(cache.folder, lambda: SYSTEM)
    assert again.find(again.key(network="a", precision="fp32")) == kept
    assert kept.read_bytes() == b"plan"
    assert again.find(again.key(network="a", precision="fp16")) is None


@pytest.mark.parametrize("change", [{"power_mode": "15W"}, {"l4t": "36.4.0"}])
def test_another_system_has_other_keys(cache: EngineCache, change: dict[str, str]) -> None:
    other = EngineCache(cache.folder, lambda: {**SYSTEM, **change})
    assert cache.key(network="a") != other.key(network="a")


def test_a_folder_that_nothing_is_kept_in_is_not_made(cache: EngineCache) -> None:
    assert cache.find(cache.key(network="a")) is None
    assert not cache.folder.exists()


def test_a_damaged_file_is_removed_and_not_found(cache: EngineCache) -> None:
    key = cache.key(network="a")
    kept = cache.keep(key, writer(b"plan"))
    kept.write_bytes(b"plam")
    assert cache.find(key) is None
    assert not kept.exists()


def test_a_new_engine_takes_the_place_of_the_old_one(cache: EngineCache) -> None:
    key = cache.key(network="a")
    cache.keep(key, writer(b"old"))
    new = cache.keep(key, writer(b"new"))
    assert cache.find(key) == new
    assert list(cache.folder.iterdir()) == [new]


def test_a_build_that_fails_keeps_nothing_and_leaves_nothing(cache: EngineCache) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half a pl")
        raise EngineError("no kernel")

    with pytest.raises(EngineError, match="no kernel"):
        cache.keep(cache.key(network="a"), fail)
    assert list(cache.folder.iterdir()) == []


def test_what_a_killed_agent_was_building_is_removed(cache: EngineCache) -> None:
    (cache.folder / "building-abc").mkdir(parents=True)
    (cache.folder / "building-abc" / "made").write_bytes(b"half")
    kept = cache.keep(cache.key(network="a"), writer(b"plan"))
    assert list(cache.folder.iterdir()) == [kept]


def test_what_was_unused_longest_goes_when_the_folder_is_full(cache: EngineCache) -> None:
    keys = [cache.key(network=name) for name in "abc"]
    for age, key in enumerate(reversed(keys)):
        os.utime(cache.keep(key, writer(b"x" * 300 + key.encode())), (1e9 - age, 1e9 - age))
    assert cache.find(keys[0]), "use makes it young again"
    cache.keep(cache.key(network="d"), writer(b"y" * 200))
    assert [cache.find(key) is not None for key in keys] == [True, False, True]


def test_an_engine_larger_than_the_folder_is_kept_alone(cache: EngineCache) -> None:
    small, large = cache.key(network="a"), cache.key(network="b")
    cache.keep(small, writer(b"plan"))
    cache.keep(large, writer(b"x" * 2000))
    assert cache.find(small) is None
    assert cache.find(large) is not None


def test_folders_of_runtimes_that_keep_their_engines_themselves_count(cache: EngineCache) -> None:
    first = cache.subfolder(cache.key(network="a"))
    (first / "engine").write_bytes(b"x" * 900)
    os.utime(first, (1, 1))
    second = cache.subfolder(cache.key(network="b"))
    (second / "engine").write_bytes(b"x" * 900)
    assert cache.subfolder(cache.key(network="b")) == second
    assert not first.exists()
    assert (second / "engine").exists()


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = EngineCache(tmp_path / "file" / "engines", dict)
    with pytest.raises(EngineError, match="cannot be kept in"):
        cache.keep("key", writer(b""))
    with pytest.raises(EngineError, match="cannot be kept in"):
        cache.subfolder("key")


def test_a_digest_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert digest(tmp_path / "empty").startswith("e3b0c44298fc1c14")
