"""What a user would pick instead: torchvision's networks, adapted with the same losses for as long as the bank.

Each is trained as one network of `standalone` is - SymNet's two heads, or source images alone where the run is
`source-only` - and kept in the run folder under baselines/NAME. Its batch-norm statistics are those of the target.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.adaptation import (
    DEPLOYED_HEAD,
    AdaptationDiverged,
    AdaptationSettings,
    Foresight,
    examine,
    find_hardware,
    train,
)
from harness.bank import (
    Architecture,
    Baseline,
    BaselineNetwork,
    create_baseline,
    has_baseline,
    load_baseline,
    save_baseline,
)
from harness.costs import count_macs
from harness.running import BaselineRecord, Run, RunSettings
from harness.training import following


@dataclass(frozen=True)
class Contender:
    """A baseline that is to be measured; where it could not be adapted its shape alone, and the `problem`."""

    baseline: Baseline
    macs: int
    """Multiply-adds of the deployed graph for one image."""
    problem: str = ""


def check_baselines(run: Run) -> None:
    """Raise BaselineError for a name that torchvision does not know, or a network that cannot take the images."""
    for name in run.settings.measured_baselines:
        _new(run, name)


def adapt_baselines(run: Run) -> None:
    """Train the baselines that the run folder does not hold yet; one that diverges costs only itself."""
    if run.settings.measured_baselines and (weights := run.settings.weights) is not None:
        run.warn(f"the bank starts from {weights}, the baselines from random weights: they do not meet on equal terms")
    for name in run.settings.measured_baselines:
        if has_baseline(run.folder.baseline(name)):
            continue
        network = _new(run, name)
        try:
            with run.folder.timed(f"adapt {name}"):
                _adapt(run, network)
        except AdaptationDiverged as problem:
            run.folder.record.baselines[Baseline.of(network).arch_id] = BaselineRecord(name=name, problem=str(problem))
            run.folder.save()
            run.note(AdaptationDiverged(f"baseline {name}: {problem}"))


def contenders(run: Run) -> list[Contender]:
    """Return the baselines of the run, as they were adapted; run.json then has their names by arch_id."""
    found, known = [], run.folder.record.baselines
    for name in run.settings.measured_baselines:
        folder, problem = run.folder.baseline(name), ""
        if has_baseline(folder):
            baseline = load_baseline(folder)
        else:
            baseline = Baseline.of(_new(run, name))
            problem = known[baseline.arch_id].problem if baseline.arch_id in known else "it was not adapted"
        found.append(Contender(baseline, count_macs(baseline.module, baseline.spec.input_shape)[""], problem))
    run.folder.record.baselines = {
        one.baseline.arch_id: BaselineRecord(name=one.baseline.name, problem=one.problem) for one in found
    }
    return found


def baseline_settings(settings: RunSettings) -> AdaptationSettings:
    """Return how a baseline is trained: as the run's bank, but alone, so that there is no ensemble to learn from."""
    adaptation = settings.adaptation
    if adaptation.method == "source-only":
        return adaptation
    return adaptation.model_copy(update={"method": "standalone"})


def _new(run: Run, name: str) -> BaselineNetwork:
    settings, preprocessing = run.settings, run.domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    head = DEPLOYED_HEAD[baseline_settings(settings).method]
    return create_baseline(name, run.domains.classes, shape, seed=settings.seed, head=head)


def _alone(_: Architecture) -> float:
    """Stand for the multiply-adds that weight a subnet in the ensemble: there is none."""
    return 1.0


def _adapt(run: Run, network: BaselineNetwork) -> None:
    """Train a network, from where it was killed, take the target's statistics, and keep what is deployed."""
    name, arch, domains = network.spec.model, network.space.full, run.domains
    folder, settings = run.folder.baseline(name), baseline_settings(run.settings)
    checkpoint = folder / "checkpoint.safetensors"
    hardware = find_hardware(run.settings.train_device, run.settings.train_precision)

    def foresee(ahead: Foresight) -> None:
        if left_out := ahead.left_out(settings):
            run.console.say(f"{name}: {left_out}")

    with following(run, f"adapting {name}") as told:
        train(
            network,
            domains,
            settings,
            capacity=_alone,
            only=arch,
            hardware=hardware,
            checkpoint=checkpoint,
            progress=told.progress,
            observe=lambda step, seen: told.observe(step, {f"{name}/{key}": value for key, value in seen.items()}),
            foresee=foresee,
        )
    if complaint := examine(network, arch, domains).complaint:
        run.warn(f"the baseline {name} is doubtful: {complaint}")
    baseline = Baseline.of(network, network.reestimate(domains.calibration, arch))
    about = {"adaptation": settings.model_dump(), "data": domains.name, "digest": domains.digest}
    save_baseline(baseline, folder, {**about, "preprocessing": domains.preprocessing.model_dump(mode="json")})
    checkpoint.unlink(missing_ok=True)
