from pathlib import Path

import pytest

from devices import DeviceProfile, ProfileError, known_profiles, load_profile

VALID = 'name = "mine"\ntransport = "local"\nengines = ["onnxruntime"]\nprecisions = ["fp32"]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", sorted(known_profiles()))
def test_every_shipped_profile_is_valid_and_called_as_its_file(name: str) -> None:
    assert load_profile(name).name == name


def test_a_profile_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, VALID + "threads = 3\n[protocol]\nrounds = 7\n"))
    assert (profile.name, profile.threads, profile.protocol.rounds) == ("mine", 3, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VALID + "thread = 2\n", ["mine.toml", "'thread'", "threads"]),
        (VALID + "[protocol]\nround = 9\n", ["mine.toml", "'protocol.round'", "nearest", " rounds", "most_rounds"]),
        (VALID + "threads = 0\n", ["mine.toml", "threads", "greater than or equal to 1", "found 0"]),
        (VALID + "[protocol]\nrounds = 2\n", ["mine.toml", "protocol.rounds", "greater than or equal to 5"]),
        (VALID + "[protocol]\nprocesses = 20\n", ["mine.toml", "processes must not be above most_processes"]),
        (VALID + "[protocol]\nblock_mb = inf\n", ["mine.toml", "protocol.block_mb"]),
        (VALID + "[timeouts]\nload_s = inf\n", ["mine.toml", "timeouts.load_s"]),
        (VALID.replace("onnxruntime", "tvm"), ["mine.toml", "engines.0", "'onnxruntime'", "found 'tvm'"]),
        (VALID.replace('name = "mine"\n', ""), ["mine.toml", "'name' is missing"]),
        (VALID + 'python = "python3; reboot"\n', ["mine.toml", "python", "must be a command, or the absolute path"]),
        (VALID + 'python = "venv/bin/python"\n', ["mine.toml", "python", "found 'venv/bin/python'"]),
        (VALID + 'python = "-c"\n', ["mine.toml", "python", "found '-c'"]),
        (VALID + 'python = "~/venv/bin/python"\n', ["mine.toml", "python", "must be a command"]),
        (VALID.replace('"mine"', '"../mine"'), ["mine.toml", "name"]),
        ("name = ", ["mine.toml", "not valid TOML"]),
    ],
)
def test_an_impossible_profile_is_refused_naming_file_key_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ProfileError) as error:
        load_profile(write(tmp_path, text))
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("python", ["python3.11", "/usr/bin/python3", "/home/me/.venv-3.11/bin/python"])
def test_the_python_of_a_device_is_a_command_or_an_absolute_path(tmp_path: Path, python: str) -> None:
    assert load_profile(write(tmp_path, VALID + f'python = "{python}"\n')).python == python


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"'toaster'.*cpu"):
        load_profile("toaster")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.toml cannot be read"):
        load_profile(tmp_path / "absent.toml")


def test_options_of_the_command_line_are_validated_like_the_file(profile: DeviceProfile) -> None:
    assert profile.override(threads=2).threads == 2
    with pytest.raises(ProfileError, match="threads"):
        profile.override(threads=-1)
