"""The published figures of a profile: what they must say, and what is refused."""

from pathlib import Path

import pytest

from devices import Hardware, ProfileError, known_profiles, load_profile
from devices.hardware import PeakGmacs

VALID = """
name = "mine"
transport = "local"
engines = ["onnxruntime"]
precisions = ["fp32"]

[hardware]
bandwidth_gb_s = 10
kernel_floor_us = 2
cores = 4
source = "a data sheet"

[hardware.peak_gmacs]
fp32 = 40
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def shipped() -> dict[str, Hardware]:
    found = {name: load_profile(name).hardware for name in known_profiles()}
    return {name: hardware for name, hardware in found.items() if hardware}


def test_the_figures_of_a_profile_are_read(tmp_path: Path) -> None:
    hardware = load_profile(write(tmp_path, VALID)).hardware
    assert hardware == Hardware(
        peak_gmacs=PeakGmacs(fp32=40), bandwidth_gb_s=10, kernel_floor_us=2, cores=4, source="a data sheet"
    )


def test_a_profile_need_not_have_figures(tmp_path: Path) -> None:
    assert load_profile(write(tmp_path, VALID[: VALID.index("[hardware]")])).hardware is None


def test_options_keep_the_figures(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, VALID))
    assert profile.override(threads=2).hardware == profile.hardware


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("fp32 = 40", "fp32 = 0", ["hardware.peak_gmacs.fp32", "greater than 0", "found 0"]),
        ("fp32 = 40", "fp32 = inf", ["hardware.peak_gmacs.fp32", "finite"]),
        ("fp32 = 40", "fp64 = 40", ["'hardware.peak_gmacs.fp64'", "fp32, fp16, int8"]),
        ("fp32 = 40", "", ["hardware.peak_gmacs", "at least one precision"]),
        ("bandwidth_gb_s = 10", "", ["'hardware.bandwidth_gb_s' is missing"]),
        ("bandwidth_gb_s = 10", "bandwidth_gb_s = -1", ["hardware.bandwidth_gb_s", "found -1"]),
        ("kernel_floor_us = 2", "kernel_floor_us = nan", ["hardware.kernel_floor_us"]),
        ("cores = 4", "cores = 0", ["hardware.cores", "found 0"]),
        ('source = "a data sheet"', 'source = ""', ["hardware.source"]),
        ('source = "a data sheet"', "", ["'hardware.source' is missing"]),
        ("cores = 4", "core = 4", ["'hardware.core'", "bandwidth_gb_s", "source"]),
    ],
)
def test_impossible_figures_are_refused_naming_file_key_and_what_is_allowed(
    tmp_path: Path, right: str, wrong: str, words: list[str]
) -> None:
    assert right in VALID
    with pytest.raises(ProfileError) as error:
        load_profile(write(tmp_path, VALID.replace(right, wrong)))
    assert all(word in str(error.value) for word in ["mine.toml", *words]), str(error.value)
    assert "\n" not in str(error.value)


def test_fewer_threads_than_cores_have_their_share_of_the_peak() -> None:
    hardware = Hardware(
        peak_gmacs=PeakGmacs(fp32=40, fp16=80), bandwidth_gb_s=10, kernel_floor_us=0, cores=4, source="a data sheet"
    )
    assert [hardware.peak("fp32", threads) for threads in (1, 2, 4, 8)] == [10, 20, 40, 40]
    assert hardware.peak("fp16", 1) == 20
    assert hardware.peak("int8", 4) is None


def test_threads_do_not_matter_to_a_graphics_processor() -> None:
    hardware = Hardware(peak_gmacs=PeakGmacs(fp32=40), bandwidth_gb_s=10, kernel_floor_us=0, source="a data sheet")
    assert hardware.peak("fp32", 1) == hardware.peak("fp32", 8) == 40


def test_every_board_has_the_figures_that_an_estimate_needs() -> None:
    boards = {"jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "raspberrypi4", "raspberrypi5"}
    assert boards <= set(shipped())
    for name, hardware in shipped().items():
        assert hardware.peak("fp32", load_profile(name).threads), name


def test_shipped_figures_say_where_they_are_from_and_are_in_the_order_of_the_precisions() -> None:
    for name, hardware in shipped().items():
        assert len(hardware.source) > 50, name
        known = [p for p in (hardware.peak_gmacs.fp32, hardware.peak_gmacs.fp16, hardware.peak_gmacs.int8) if p]
        assert known == sorted(set(known)), name


def test_shipped_boards_are_in_the_order_of_their_series() -> None:
    peaks = {name: (hardware.peak_gmacs.fp32 or 0, hardware.bandwidth_gb_s) for name, hardware in shipped().items()}
    assert peaks["jetson-orin-nano"] < peaks["jetson-orin-nx"] < peaks["jetson-agx-orin"]
    assert peaks["raspberrypi4"] < peaks["raspberrypi5"] < peaks["jetson-orin-nano"]
