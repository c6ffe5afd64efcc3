"""Verifying: the shortlist of a search is exported, checked and measured on a device, and what holds is kept."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from devices import Device, DeviceError
from harness.bank import Architecture, ModelBank
from harness.baselines import Contender, export_baselines, take_measured
from harness.choosing.comparisons import compare, find_rivals, latency_by_macs
from harness.choosing.finalists import choose, shortfalls, shortlist
from harness.choosing.limited_finalists import measure_limited
from harness.choosing.refitting import replace_failed
from harness.costs import ComplexityCounter, LayerTable
from harness.deployment import Deployment
from harness.measuring import (
    EnergyRecord,
    FurtherCosts,
    Measurement,
    MemoryRecord,
    Subject,
    finalists,
    measure_further,
)
from harness.profiling import COST_NAMES, deployment_for, limited
from harness.results import DeviceResults
from harness.running import Run
from harness.search import Candidate, Selection


def verify(
    run: Run,
    device: Device,
    bank: ModelBank,
    results: DeviceResults,
    candidates: list[Candidate],
    baselines: Sequence[Contender] = (),
) -> None:
    """Export the shortlist, check and measure it on the device, and keep for every budget the best that holds it.

    What multiply-adds alone would choose, and what is faster, is measured in the same processes, and so are baselines.
    """
    counter = ComplexityCounter(bank)
    selections, misses = shortlist(candidates, results.budgets, results, counter)
    for miss in misses:
        run.note(miss)
    assert results.observations
    by_macs = latency_by_macs(results.observations, counter)
    rivals = find_rivals(candidates, results.budgets, results.costs(counter), by_macs, _archs(selections))
    deployment = deployment_for(device, run, bank, results)
    subjects: dict[Architecture, Subject] = {}
    with tempfile.TemporaryDirectory() as scratch:
        others = export_baselines(run, device, results, baselines, Path(scratch))

        def measure(archs: Iterable[Architecture], chosen: Sequence[Selection], beside: Iterable[Subject] = ()) -> None:
            new = [arch for arch in dict.fromkeys(archs) if arch not in subjects]
            added = {arch: deployment.subnet(arch, Path(scratch), run.provenance) for arch in new}
            subjects.update(added)
            results.model_bytes |= {arch: subject.file.stat().st_size for arch, subject in added.items()}
            anchor = subjects.get(bank.space.full) or deployment.shape(bank.space.full, Path(scratch))
            check(run, device, deployment, results, added)
            found = measured(run, device, results, [*added.values(), *beside], anchor)
            results.add({arch: found[subject.name] for arch, subject in added.items()})
            take_measured(results, found)
            limited_of_finalists(run, device, results, chosen, counter, subjects)

        # Rivals of one budget beside each other, so that they share a process wherever networks are cut into blocks.
        compared = [arch for one in rivals for arch in one.archs]
        measure([*compared, *_archs(selections)], selections, others.values())
        selections = replace_failed(
            selections,
            candidates,
            results,
            counter,
            LayerTable(bank),
            subjects.keys(),
            lambda further: measure(_archs(further), further),
        )
        tell_of_builds(run, results)
        results.comparisons = compare(rivals, results, counter, bank.spec.model)
        results.chosen = choose(selections, results, counter)
        for problem in shortfalls(selections, results, counter):
            run.note(problem)
        able = [found for found in results.baselines if found.measurement and found.measurement.summary]
        keep(
            run,
            device,
            results,
            [
                *(Kept.subnet(subjects[arch], arch, results) for arch in dict.fromkeys(results.chosen.values())),
                *(Kept(others[found.arch_id], found.add_further) for found in able),
            ],
        )


def _archs(selections: Sequence[Selection]) -> list[Architecture]:
    return [candidate.arch for s in selections for candidate in (s.best, *s.runners_up)]


def check(
    run: Run,
    device: Device,
    deployment: Deployment,
    results: DeviceResults,
    subjects: dict[Architecture, Subject],
) -> None:
    """Compare what the engine on the device answers with what the bank answers, for every subnet of the shortlist."""
    with run.console.stage(f"checking answers of {results.name}") as advance:
        results.answers |= deployment.check(device, subjects, run.settings.effort.score_images, advance)
    for arch in subjects:
        if doubt := results.doubt(arch):
            run.console.warn(f"subnet {subjects[arch].name} is not selected on {results.name}: {doubt}")


def measured(
    run: Run, device: Device, results: DeviceResults, subjects: Sequence[Subject], anchor: Subject
) -> dict[str, Measurement]:
    """Return the finalists' latencies over fresh processes, by name."""
    with run.console.stage(f"measuring finalists on {results.name}") as advance:
        return finalists(
            device,
            subjects,
            anchor,
            store=run.store,
            seed=run.settings.seed,
            progress=advance,
            notice=run.console.warn,
        )


def limited_of_finalists(
    run: Run,
    device: Device,
    results: DeviceResults,
    selections: Sequence[Selection],
    counter: ComplexityCounter,
    subjects: Mapping[Architecture, Subject],
) -> None:
    """Measure what is limited beside latency, of the finalists that may be chosen."""
    if kinds := limited(results.budgets):
        title = f"{' and '.join(COST_NAMES[kind] for kind in kinds)} of finalists on {results.name}"
        with run.console.stage(title) as advance:
            measure_limited(device, results, selections, counter, subjects, run.store, advance)


def tell_of_builds(run: Run, results: DeviceResults) -> None:
    """Keep how far several builds of a finalist lie apart; tell it where that is more than the interval explains.

    More than its whole width: by noise alone, six processes of three builds lie that far apart once in fifty times.
    """
    summaries = {m.subject.name: m.summary for m in results.measured.values() if m.summary}
    spreads = {name: s.build_spread for name, s in summaries.items() if s.build_spread is not None}
    if spreads:
        run.folder.record.builds[results.name] = {name: round(spread, 4) for name, spread in spreads.items()}
    beyond = [spread for name, spread in spreads.items() if spread > (summaries[name].width or 0.0)]
    if beyond:
        run.console.warn(
            f"builds of one network differ on {results.name} by up to {max(beyond):.0%} in latency, beyond the 95% "
            f"interval of {len(beyond)} of {len(spreads)} finalists: an engine built anew may be as much off"
        )


class Kept(NamedTuple):
    """A file to keep, what to do with what else it costs, and what of that is known."""

    subject: Subject
    take: Callable[[FurtherCosts], None]
    memory: MemoryRecord | None = None
    energy: EnergyRecord | None = None

    @classmethod
    def subnet(cls, subject: Subject, arch: Architecture, results: DeviceResults) -> Kept:
        """Return a subnet that was chosen."""
        take = functools.partial(results.add_further, arch)
        return cls(subject, take, results.memory.get(arch), results.energy.get(arch))


def keep(run: Run, device: Device, results: DeviceResults, kept: Sequence[Kept]) -> None:
    """Copy the chosen subnets and the baselines into the run folder and measure what else they cost.

    A device that is lost meanwhile costs only that: what was chosen stays chosen.
    """
    for one in kept:
        run.folder.keep_subnet(one.subject.file)
    with run.console.stage(f"memory, energy on {results.name}") as advance:
        for done, one in enumerate(kept, start=1):
            try:
                with _heating_stage(run, results) as heating:
                    one.take(
                        measure_further(
                            device,
                            one.subject,
                            store=run.store,
                            memory=one.memory,
                            energy=one.energy,
                            heating=heating,
                        )
                    )
            except DeviceError as problem:
                run.note(problem)
                break
            advance(done, len(kept))
    for doubt in _doubts(results):
        run.console.say(doubt)


@contextmanager
def _heating_stage(run: Run, results: DeviceResults) -> Iterator[Callable[[float, float], None]]:
    """Show the minutes in which a subnet brings the device to its steady temperature, where that is asked for."""
    if not results.profile.sustained:
        yield lambda done_s, most_s: None
        return
    with run.console.stage(f"steady temperature of {results.name}") as advance:
        yield lambda done_s, most_s: advance(int(done_s), int(most_s))


def _doubts(results: DeviceResults) -> Iterable[str]:
    """Say, once each, what could not be measured beside latency, or is to be taken with care, and why."""
    return dict.fromkeys(
        f"{record.kind} on {results.name}{' is unknown' if record.figure is None else ''}: {record.reason}"
        for record in results.passes
        if record.reason
    )
