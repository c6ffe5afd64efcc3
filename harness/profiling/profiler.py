"""Profiling: minutes of measuring on one device, planned as they go, and the cost model that comes of them.

First a spread of whole networks, then single layers of every kind at many widths, then more networks, at every rung of
the ladder of compute: those of whose latency the model is least sure, and those that it predicts fastest. Last, random
networks that the model has not seen: what it is off by on them is its held-out error. Everything is in the store, so
what was killed goes on, and what was measured by an earlier run is not measured again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from devices import Device
from harness.bank import Architecture
from harness.console import Advance
from harness.costs import (
    ComplexityCounter,
    CostModel,
    HeldOutError,
    LayerKind,
    LayerTable,
    MeasuredLayer,
    Observations,
    TooFewMeasurements,
    Widths,
    find_steps,
    fit_rate,
    held_out_error,
    levelled_layers,
    reference,
)
from harness.deployment import Deployment
from harness.measuring import Measurement, MeasurementError, Store, Subject, explore, running_s
from harness.profiling.next_measured import FAST, NextMeasured
from harness.profiling.pool import RUNGS
from harness.profiling.profile import Profile

#: Single layers that are measured in one go.
LAYER_BATCH = 64

#: Share of the time that single layers may take.
LAYER_SHARE = 0.35

#: Networks of every rung that are measured in one go, at least and at most; and the share of the time that more than
#: the least may take.
PER_RUNG, MOST_PER_RUNG, BATCH_SHARE = 3, 9, 0.1

#: A process takes this long to start and to end, about.
ONE_PROCESS_S = 0.7

#: Real time, at most, for one second of measuring: exports, uploads and builds are not measuring.
MOST_WAITING = 4.0

#: Real time is not counted more closely than this allows, however little is to be measured.
SHORTEST_S = 15.0

#: Mean relative error of networks not seen before, at which no more need be measured.
GOOD_ENOUGH = 0.015


Networks = Mapping[Architecture, Measurement]


class Profiler:
    """Measures one device by a plan that only its seed and what was measured decide."""

    def __init__(
        self,
        device: Device,
        deployment: Deployment,
        store: Store,
        *,
        seconds: float,
        seed: int,
        advance: Advance,
        notice: Callable[[str], None],
    ) -> None:
        """Measure for about `seconds`; `advance` is told of them."""
        self._device = device
        self._deployment = deployment
        self._store = store
        self._seconds = seconds
        self._seed = seed
        self._advance = advance
        self._notice = notice
        self._space = deployment.bank.space
        self._counter = ComplexityCounter(deployment.bank)
        self._table = LayerTable(deployment.bank)
        self._next = NextMeasured(self._space, self._counter, self._table, seed)
        self._spent, self._start = 0.0, time.monotonic()
        self.networks: dict[Architecture, Measurement] = {}
        self._layers: list[list[MeasuredLayer]] = []

    def profile(self, first: Mapping[Architecture, Subject]) -> Profile:
        """Measure and fit. `first` are the exported networks to begin with, the full width among them.

        Raises MeasurementError where too little could be measured, and DeviceError where the device is lost.
        """
        anchor = first[self._space.full]
        self._measure_networks(first, anchor)
        affordable = BATCH_SHARE * self._seconds * len(first) / self._spent / len(RUNGS)
        per_rung = min(MOST_PER_RUNG, max(PER_RUNG, int(affordable)))
        self._measure_layers(anchor)
        model, batch = self._fitted(), 0
        while not self._over:
            fast = self._next.fast(model, per_rung // FAST, batch)
            unseen = self._measure_new([*self._next.unsure(model, per_rung - per_rung // FAST, batch), *fast], anchor)
            batch += 1
            error = self._error(model, unseen)
            model = self._fitted()
            if not unseen or error.mean <= GOOD_ENOUGH:
                break
        return self._checked(model, anchor)

    def _checked(self, model: CostModel, anchor: Subject) -> Profile:
        """Return the profile, with what the model is off by on networks measured after the fit."""
        seen, known = model.seen, dict(self.networks)
        unseen = self._measure_new(self._next.random(PER_RUNG), anchor)
        self.networks |= {self._space.full: self._explore([], anchor)[anchor.name]}
        if not _ratios(unseen):
            raise MeasurementError(f"no network could be measured to check the cost model of {self._name}")
        others = reference(self._counter)
        return Profile(
            model=model,
            observations=seen,
            measured=self.networks,
            held_out=self._error(model, unseen),
            macs_only=self._error_of_one(self._counter.macs, known, unseen),
            params_only=self._error_of_one(self._counter.params, known, unseen),
            unseen={arch: ratio * model.anchor_ms for arch, ratio in _ratios(unseen).items()},
            steps=find_steps(model, self._space, others),
            steps_beside=others,
        )

    def _error_of_one(self, figure: Callable[[Architecture], int], known: Networks, unseen: Networks) -> HeldOutError:
        """Return what a constant and a rate of one figure alone are off by."""
        seen, wanted = _ratios(known), _ratios(unseen)
        model = fit_rate(figure, list(seen), list(seen.values()))
        return held_out_error([model.predict(arch) for arch in wanted], list(wanted.values()))

    @property
    def _name(self) -> str:
        return self._device.profile.name

    def _observations(self) -> Observations:
        networks = _ratios(self.networks)
        others = (found for arch, found in self.networks.items() if arch != self._space.full)
        anchors = [record.anchor_p50_ns for found in others for record in found.records]
        layers = levelled_layers([process for process in self._layers if process])
        return Observations(float(np.median(anchors)) / 1e6, layers, tuple(networks.items()))

    def _fitted(self) -> CostModel:
        try:
            return CostModel(self._table, self._observations())
        except TooFewMeasurements as error:
            raise MeasurementError(f"too little could be measured on {self._name}: {error}") from error

    def _error(self, model: CostModel, unseen: Networks) -> HeldOutError:
        ratios = _ratios(unseen)
        predictions = [model.predict(arch) for arch in ratios]
        measured = [ratio * model.anchor_ms for ratio in ratios.values()]
        within = [p.low_ms <= ms <= p.high_ms for p, ms in zip(predictions, measured, strict=True)]
        return held_out_error([p.ms for p in predictions], measured, within)

    def _measure_new(self, archs: Iterable[Architecture], anchor: Subject) -> dict[Architecture, Measurement]:
        new = [arch for arch in dict.fromkeys(archs) if arch not in self.networks]
        with tempfile.TemporaryDirectory() as scratch:
            return self._measure_networks({arch: self._deployment.shape(arch, Path(scratch)) for arch in new}, anchor)

    def _measure_networks(
        self, subjects: Mapping[Architecture, Subject], anchor: Subject
    ) -> dict[Architecture, Measurement]:
        measured = self._explore([*subjects.values()], anchor)
        found = {arch: measured[subject.name] for arch, subject in subjects.items()}
        self.networks |= found
        return found

    def _measure_layers(self, anchor: Subject) -> None:
        """Measure single layers, every kind in each batch, until their share of the time is spent.

        The first batch is small: where a device compiles what it runs, a layer may take seconds.
        """
        wanted, begun = self._next.layers(), self._spent
        done, batch = 0, 2 * len(self._table.kinds)
        while done < len(wanted) and batch > 0:
            self._measure_some_layers(wanted[done : done + batch], anchor)
            done += batch
            each_s = (self._spent - begun) / done
            left_s = LAYER_SHARE * self._seconds - (self._spent - begun)
            batch = 0 if self._over else min(LAYER_BATCH, int(left_s / each_s))

    def _measure_some_layers(self, wanted: Sequence[tuple[LayerKind, Widths]], anchor: Subject) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            subjects = [(kind, w, self._deployment.layer(kind, *w, Path(scratch))) for kind, w in wanted]
            measured = self._explore([subject for _, _, subject in subjects], anchor)
        self._layers.append(
            [
                MeasuredLayer(kind, inputs, outputs, summary.ratio)
                for kind, (inputs, outputs), subject in subjects
                if (summary := measured[subject.name].summary)
            ]
        )

    def _explore(self, subjects: Sequence[Subject], anchor: Subject) -> dict[str, Measurement]:
        found = explore(
            self._device,
            [subject for subject in subjects if subject != anchor],
            anchor,
            store=self._store,
            seed=self._seed,
            notice=self._notice,
        )
        # Not of the anchor, whose latest record the store gives: the plan must be the same when all of it is there.
        self._spent += _seconds(measured for name, measured in found.items() if name != anchor.name)
        self._advance(min(int(self._spent), int(self._seconds)), int(self._seconds))
        return found

    @property
    def _over(self) -> bool:
        """Whether the time is spent: that of the measurements, so that what the store has leads to the same plan.

        A device on which everything around them takes longer than they do is not waited for without end.
        """
        waited_s = time.monotonic() - self._start
        return self._spent >= self._seconds or waited_s > MOST_WAITING * max(self._seconds, SHORTEST_S)


def _ratios(networks: Networks) -> dict[Architecture, float]:
    """Return the latencies as shares of the full width's of the same rounds, of what could be measured."""
    return {arch: found.summary.ratio for arch, found in networks.items() if found.summary}


def _seconds(found: Iterable[Measurement]) -> float:
    """Return about how long measurements took, now or when they were made."""
    records = [record for measurement in found for record in measurement.records]
    return ONE_PROCESS_S + max((record.warmup_s for record in records), default=0.0) + sum(map(running_s, records))
