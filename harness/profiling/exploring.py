"""Exploring one connected device: a pool is measured, what costs are predicted from is fitted to it, and both kept."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from devices import Device
from harness.bank import ModelBank
from harness.costs import ComplexityCounter, KeptCosts, LinearModel, ModelSize
from harness.deployment import Deployment
from harness.files import write_whole
from harness.measuring.results import device_key
from harness.profiling.limited_costs import COST_NAMES, fit_limited, limited
from harness.profiling.pool import pool
from harness.profiling.profile import Profile
from harness.profiling.profiler import Profiler
from harness.report import CostModelRecord
from harness.results import DeviceResults
from harness.running import Configuration, Run, RunFolder
from harness.search import ENERGY, MEMORY


def deployment_for(
    device: Device, run: Run, bank: ModelBank, configuration: Configuration | DeviceResults
) -> Deployment:
    """Return what exports subnets in a precision and at a batch size, in the form that all devices of the run take."""
    precision, batch_size = configuration.precision, configuration.batch_size
    for_tensorrt = device.describe().by_tensorrt or run.for_tensorrt(precision)
    return Deployment(bank, run.domains, batch_size, precision, for_tensorrt=for_tensorrt)


def explored(run: Run, configuration: Configuration, device: Device, bank: ModelBank) -> DeviceResults:
    """Return the pool's latencies on one device, from the store where it has them, and the model fitted to them."""
    name, settings = configuration.name, run.settings
    results = DeviceResults(
        device.profile, configuration.precision, device.describe(), configuration.budgets, configuration.batch_size
    )
    counter = ComplexityCounter(bank)
    archs = pool(bank.space, counter, settings.effort.profiled, settings.seed)
    deployment = deployment_for(device, run, bank, configuration)
    with tempfile.TemporaryDirectory() as scratch:
        subjects = {arch: deployment.shape(arch, Path(scratch), run.provenance) for arch in archs}
        with run.console.stage(f"measuring on {name} (seconds)") as advance:
            seconds = settings.effort.seconds_for(bank.spec.input_shape)
            profiler = Profiler(
                device,
                deployment,
                run.store,
                seconds=seconds,
                seed=settings.seed,
                advance=advance,
                notice=run.console.warn,
            )
            profile = profiler.profile(subjects)
        results.add(profile.measured)
        full_bytes = subjects[bank.space.full].file.stat().st_size
        results.model_size = ModelSize.of(counter, deployment.form, full_bytes)
        results.observations, results.latency_model = profile.observations, profile.model
        results.latency_error = profile.held_out
        models = {}
        if kinds := limited(configuration.budgets):
            with run.console.stage(f"{' and '.join(COST_NAMES[kind] for kind in kinds)} on {name}") as advance:
                models = fit_limited(device, results, counter, subjects, run.store, advance)
    run.folder.record.cost_models[name] = CostModelRecord.model_validate(
        {**profile.record, **{cost: fitted.record for cost, fitted in models.items()}}
    )
    keep_costs(run.folder, results, profile, models)
    run.folder.record.devices[name] = device.describe().model_dump()
    return results


def keep_costs(folder: RunFolder, results: DeviceResults, profile: Profile, fitted: Mapping[str, LinearModel]) -> None:
    """Keep in the run folder, whole or not at all, what gives a device's costs again without the device.

    `fitted` are models of what was limited, by name.
    """
    assert results.fingerprint
    assert results.model_size
    kept = KeptCosts.of(
        device_key(results.fingerprint),
        results.precision,
        results.batch_size,
        seen=profile.observations,
        held_out=profile.held_out,
        macs_only=profile.macs_only,
        params_only=profile.params_only,
        model_size=results.model_size,
        memory=fitted.get(COST_NAMES[MEMORY]),
        energy=fitted.get(COST_NAMES[ENERGY]),
    )
    path = folder.costs(results.profile.name, results.precision, results.batch_size)
    write_whole(path, kept.model_dump_json(indent=1).encode())
