"""Device profiles from strangers: read, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from devices import ProfileError, load_profile
from tests.hostile import damaged, mutated_toml, read_or_refused, refusal

PROFILE = """name = "mine"
description = "a board"
transport = "ssh"
host = "me@board"
ssh_config = "config"
python = "python3"
here_if = "/etc/nv_tegra_release"
engines = ["onnxruntime", "tensorrt"]
precisions = ["fp32"]
threads = 1
board = "Orin"
memory_mb = 8000.0
power_mode = "MAXN"
temperature_limit_c = 95.0
sustained = true

[protocol]
rounds = 5
block_mb = 10.0

[timeouts]
load_s = 20.0

[hardware]
bandwidth_gb_s = 50.0
kernel_floor_us = 5.0
cores = 4
source = "its data sheet"

[hardware.peak_gmacs]
fp32 = 100.0
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles") / "mine.toml"


@settings(max_examples=100, deadline=None)
@given(content=mutated_toml(PROFILE) | damaged(PROFILE.encode()))
def test_any_profile_is_read_or_refused_in_one_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    read_or_refused(lambda: load_profile(file).is_local, ProfileError)


def test_a_profile_that_nothing_is_wrong_with_is_read(file: Path) -> None:
    file.write_text(PROFILE)
    assert load_profile(file).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("threads = 1", f"threads = 0x{'f' * 5000}", "threads"),
        ("threads = 1", f"threads = {'1' * 5000}", "not valid TOML"),
        ("threads = 1", f"threads = {'[' * 5000}{']' * 5000}", "not valid TOML"),
        ('"python3"', f'"{"x " * 5000}"', "python: must be a command"),
        ("threads", f"'{'x' * 10000}'", "unknown key"),
    ],
    ids=["hexadecimal", "digits", "nested", "text", "key"],
)
def test_numbers_texts_and_nesting_without_end_are_refused(file: Path, old: str, new: str, words: str) -> None:
    file.write_text(PROFILE.replace(old, new))
    assert words in refusal(lambda: load_profile(file), ProfileError)


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    assert "Is a directory" in refusal(lambda: load_profile(tmp_path / "folder.toml"), ProfileError)
