"""Runs that are killed or interrupted: what is left, and how they go on."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

from tests.runs import Runner, start, stored, wait_for


class TestInterruption:
    """Real processes, killed where it hurts."""

    LONG = ("--quick", "--source-iterations", "10", "--iterations", "90", "--train-batch-size", "8")

    def test_a_run_killed_while_adapting_ends_in_the_same_weights(
        self, runner: Runner, tmp_path: Path, tiny: Path
    ) -> None:
        killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
        process = start("adapt", "--run", killed, "--device", tiny, *self.LONG)
        wait_for((killed / "bank" / "checkpoint.safetensors").exists, process)
        process.kill()
        process.communicate()
        assert not (killed / "bank" / "bank.json").exists()

        assert runner("adapt", "--run", killed, "--resume").code == 0
        assert runner("adapt", "--run", undisturbed, *self.LONG).code == 0
        for name in ("weights.safetensors", "bank.json"):
            assert (killed / "bank" / name).read_bytes() == (undisturbed / "bank" / name).read_bytes()
        warnings, others = (json.loads((run / "run.json").read_text())["warnings"] for run in (killed, undisturbed))
        assert warnings == others
        assert "before adaptation an estimated" in warnings[0]

    def test_a_run_killed_while_measuring_loses_no_measurement(
        self, runner: Runner, copied: Path, tmp_path: Path, own_cache: Path
    ) -> None:
        store = tmp_path / "own.sqlite"

        def finalists() -> list[str]:
            """Topologies, one for each process."""
            return [topology for kind, topology, _ in stored(store).values() if kind == "finalist"]

        process = start("search", "--run", copied, "--store", store)
        wait_for(lambda: bool(finalists()), process)
        process.kill()
        process.communicate()
        before = stored(store)

        assert runner("search", "--run", copied, "--store", store).code == 0
        after = stored(store)
        assert set(before) < set(after)
        assert all(after[uid] == found for uid, found in before.items())
        assert {kind for uid, (kind, _, _) in after.items() if uid not in before} == {"finalist"}
        assert set(Counter(finalists()).values()) == {6}
        assert list((own_cache / "slimda-edge" / "local").glob("work-*")) == []

    def test_ctrl_c_says_how_to_go_on(self, tmp_path: Path, tiny: Path, own_cache: Path) -> None:
        run, store = tmp_path / "a run", tmp_path / "store.sqlite"
        process = start("--run", run, "--store", store, "--device", tiny, "--json", *self.LONG)
        wait_for(lambda: (run / "run.json").exists() and "checks" in (run / "run.json").read_text(), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert f"python benchmark.py --run '{run}' --store {store} --resume" in err
        assert "Traceback" not in err
        assert json.loads(out)["exit_code"] == 130
        assert list((own_cache / "slimda-edge" / "local").glob("work-*")) == []
