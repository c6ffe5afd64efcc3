"""Measuring on a board whose line breaks: what was measured is kept, nothing is measured twice, and it goes on once."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from devices import ConnectionLost, Device, DeviceError, DeviceProfile, connect
from harness.measuring import Store, Subject, explore, finalists, measure_memory, with_one_reconnection
from harness.measuring.results import Kind
from tests.devices.networks import SHAPE
from tests.measuring.conftest import QUICK
from tests.sources import ROOT
from tests.sshd import Board, wait_until

IN_BLOCKS_OF_ONE = QUICK.model_copy(update={"block_subjects": 1})
LONG_ROUNDS = QUICK.model_copy(update={"visit_ms": 300, "most_samples": 1000, "least_samples": 1000})

#: What Python on the board runs first: files of the kernel say something else, by their names.
OTHER_FILES = """
import pathlib
read = pathlib.Path.read_text
texts = {texts!r}
pathlib.Path.read_text = lambda path, *a, **k: texts.get(path.name) or read(path, *a, **k)
"""


@pytest.fixture
def there(board: Board) -> DeviceProfile:
    return board.profile(line_s=5.0).override(protocol=QUICK)


def kept(store: Store, device: Device, *subjects: Subject, kind: Kind = "explore") -> dict[str, int]:
    """Return how many processes of each subject the store has."""
    return {subject.name: len(store.find(device.describe(), subject, kind)) for subject in subjects}


def at(step: int, action: Callable[[], object]) -> Callable[[int, int], None]:
    """Return a progress that does something at one step, once."""
    waiting = [action]

    def progress(done: int, total: int) -> None:
        if done == step and waiting:
            waiting.pop()()

    return progress


def restarted_with(board: Board, folder: Path, **texts: str) -> Callable[[], None]:
    """Return what restarts the board such that files of its kernel have other `texts`."""

    def restart() -> None:
        (folder / "sitecustomize.py").write_text(OTHER_FILES.format(texts=texts))
        board.environment["PYTHONPATH"] = str(folder)
        board.restart()

    return restart


def test_a_line_cut_between_rounds_is_mended_and_only_that_process_is_made_again(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    cut = at(QUICK.rounds + 2, board.cut)  # in the second of two blocks
    with connect(there) as device:
        found = explore(device, [narrow, middle], anchor, store=store, protocol=IN_BLOCKS_OF_ONE, progress=cut)
        assert board.logins() == 2
        assert {result.verdict for result in found.values()} == {"ok"}
        assert kept(store, device, narrow, middle, anchor) == {"narrow": 1, "middle": 1, "wide": 2}
    assert board.is_clean()


def test_a_line_cut_in_the_middle_of_a_round_is_mended(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject
) -> None:
    with connect(there) as device:
        device.describe()
        cut = at(1, lambda: threading.Timer(0.05, board.cut).start())
        found = finalists(device, [narrow], anchor, store=store, protocol=LONG_ROUNDS, progress=cut)
        assert board.logins() == 2
        assert found["narrow"].summary is not None
        assert kept(store, device, narrow, kind="finalist") == {"narrow": len(found["narrow"].records)}
    assert board.is_clean()


def test_a_line_that_breaks_again_ends_it_and_the_next_run_resumes(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    def cut_again(done: int, total: int) -> None:
        if done > QUICK.rounds:
            board.cut()

    with connect(there) as device, pytest.raises(ConnectionLost):
        explore(device, [narrow, middle], anchor, store=store, protocol=IN_BLOCKS_OF_ONE, progress=cut_again)
    wait_until(board.is_clean)
    with connect(there) as device:
        assert kept(store, device, narrow, middle) == {"narrow": 1, "middle": 0}
        resumed = explore(device, [narrow, middle], anchor, store=store, protocol=IN_BLOCKS_OF_ONE)
        assert [result.reused for result in resumed.values()] == [True, True, False]
        assert kept(store, device, narrow, middle) == {"narrow": 1, "middle": 1}


def test_a_board_that_restarts_is_asked_anew_what_it_is(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    with connect(there) as device:
        before = device.describe()
        reboot = at(2, restarted_with(board, tmp_path, boot_id="another boot"))
        found = finalists(device, [narrow], anchor, store=store, progress=reboot)["narrow"]
        boots = [record.fingerprint.boot_id for record in found.records]
        assert boots[:3] == [before.boot_id, before.boot_id, "another boot"]
        assert set(boots[2:]) == {"another boot"}
        assert device.describe() == before.model_copy(update={"boot_id": "another boot"})


def test_a_board_that_comes_back_as_another_one_is_not_measured_on(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    update = at(2, restarted_with(board, tmp_path, osrelease="another kernel"))
    with connect(there) as device:
        with pytest.raises(DeviceError, match=r"board came back .* os_release was '.*' and is '.*another kernel'"):
            finalists(device, [narrow], anchor, store=store, progress=update)
        assert kept(store, device, narrow, kind="finalist") == {"narrow": 0}, "the new kernel has nothing measured"


def test_a_line_cut_before_another_pass_is_mended_there_too(
    there: DeviceProfile, board: Board, store: Store, narrow: Subject
) -> None:
    with connect(there) as device:
        device.describe()
        board.cut()
        assert measure_memory(device, narrow, store=store).figure is not None
        board.cut()
        images = np.zeros(SHAPE, np.float32)
        outputs = with_one_reconnection(device, lambda: device.infer(narrow.file, images))
        assert outputs.shape == (1, 4, 1, 1)
    assert board.logins() == 3


WORKSTATION = """
import sys
from pathlib import Path
from devices import connect
from devices.profile import DeviceProfile
from harness.measuring import Store, Subject, finalists
store, wide, narrow = map(Path, sys.argv[2:])
with connect(DeviceProfile.model_validate_json(sys.argv[1])) as device:
    finalists(
        device, [Subject("narrow", narrow, "topology of narrow")], Subject("wide", wide, "topology of wide"),
        store=Store(store), progress=lambda done, total: print(done, flush=True),
    )
"""


def test_a_killed_workstation_leaves_a_clean_board_and_resumes_where_it_was(
    there: DeviceProfile, board: Board, store: Store, anchor: Subject, narrow: Subject
) -> None:
    arguments = [there.model_dump_json(), *map(str, (store.path, anchor.file, narrow.file))]
    run = subprocess.Popen([sys.executable, "-c", WORKSTATION, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert run.stdout is not None
    while run.stdout.readline().strip() != "2":
        assert run.poll() is None
    run.kill()
    run.communicate()
    wait_until(board.is_clean)
    with connect(there) as device:
        before = {record.uid for record in store.find(device.describe(), narrow, "finalist")}
        assert len(before) in (2, 3)
        resumed = finalists(device, [narrow], anchor, store=store)["narrow"]
        assert before <= {record.uid for record in resumed.records}
        assert kept(store, device, narrow, kind="finalist") == {"narrow": len(resumed.records)}
    assert board.is_clean()
