"""What help says: headings, the stages in their order, and defaults that are those of the settings."""

from __future__ import annotations

import re

import pytest

from harness.adaptation import AdaptationSettings
from tests.runs import Runner

COMMANDS = ("adapt", "profile", "search", "report", "compare", "devices", "selfcheck", "pretrain", "ablation")


def headed(told: str) -> dict[str, list[str]]:
    """Return the options and commands that help names, by their heading."""
    sections = re.findall(r"^(\S[^\n]*):\n((?:  .*\n?)+)", told, re.MULTILINE)
    return {heading: re.findall(r"^  ([a-z-][\w-]*)", body, re.MULTILINE) for heading, body in sections}


def test_commands_come_before_options_in_the_order_in_which_they_are_used(runner: Runner) -> None:
    sections = headed(runner("--help").out)
    assert next(iter(sections)) == "Commands"
    assert tuple(sections["Commands"]) == COMMANDS


def test_every_option_of_the_whole_pipeline_stands_under_one_heading(runner: Runner) -> None:
    sections = headed(runner("--help").out)
    assert list(sections)[1:] == [
        "Images and model",
        "Devices",
        "Limits",
        "Measuring and search",
        "Training",
        "Running",
    ]
    assert sections["Limits"] == ["--budgets", "--latency-ms", "--memory-mb", "--model-mb", "--energy-mj"]
    assert sections["Devices"] == ["--device", "--host", "--precision", "--threads", "--batch-size"]
    named = [option for options in sections.values() for option in options]
    assert len(named) == len(set(named))
    assert sections["Running"][-1] == "--help"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_without_a_heading(runner: Runner, command: str) -> None:
    assert "Options" not in headed(runner(command, "--help").out)


def test_adapt_does_not_promise_what_the_whole_pipeline_does(runner: Runner) -> None:
    told = " ".join(runner("adapt", "--help").out.split())
    assert "and stop there" in told
    assert "The run folder then holds" not in told


@pytest.mark.parametrize("option", ["--latency-ms", "--device", "--precision", "--estimate"])
def test_report_is_asked_for_nothing_that_it_would_not_heed(runner: Runner, option: str) -> None:
    assert runner("report", "--run", "anywhere", option, "1").code == 2
    assert option not in runner("report", "--help").out


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        ("source-iterations", "source_iterations"),
        ("iterations", "adaptation_iterations"),
        ("train-batch-size", "batch_size"),
        ("model-batch", "model_batch"),
        ("learning-rate", "learning_rate"),
        ("temperature", "temperature"),
        ("confidence", "confidence"),
    ],
)
def test_defaults_are_those_of_the_settings(runner: Runner, option: str, setting: str) -> None:
    told = " ".join(runner("--help").out.split())
    found = re.search(rf" --{option} (?:(?! --).)*?\(default: ([^)]*)\)", told)
    assert found
    assert found[1] == str(getattr(AdaptationSettings(), setting))
