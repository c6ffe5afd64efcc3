"""`--host`: one device, and one that is not this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import ProfileError, load_profile
from harness.running.device_options import overridden
from tests.runs import Runner


def test_it_takes_the_place_of_the_profile_s_own_host() -> None:
    profile = load_profile("ssh-cpu").override(host="old")
    assert overridden(profile, "me@new", 2).host == "me@new"
    assert overridden(profile, "me@new", 2).threads == 2
    assert overridden(profile, None, None) == profile


@pytest.mark.parametrize("host", ["-oProxyCommand=evil", "", "two words", "a;b", "$(reboot)"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ProfileError, match="host"):
        overridden(load_profile("ssh-cpu"), host, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "cpu", "--host", "pi@somewhere"), "--device ssh-cpu"),
        (("--device", "ssh-cpu,jetson", "--host", "pi@somewhere"), "--host names the host of one device"),
    ],
)
def test_it_names_one_device_that_is_not_here(
    runner: Runner, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = runner("--run", tmp_path / "run", *arguments)
    assert done.code == 2
    assert words in done.sentence
