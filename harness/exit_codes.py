"""How a command ends: the exit code, and an error told in one sentence (DESIGN section 4)."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterable
from typing import TypeGuard

from pydantic import ValidationError

from devices import AgentLost, ConnectionLost, DeviceError, EngineFailed, ProfileError
from harness.ablation import AblationError
from harness.adaptation import AdaptationDiverged, CheckpointError, TrainingError
from harness.bank import BankError, BaselineError
from harness.clauses import one_line
from harness.console import Console
from harness.costs import KeptCostsError
from harness.data import DataError
from harness.export import ExportError, ExportMismatch, PrecisionError, SubnetFileError
from harness.files import WriteError
from harness.measuring import MeasurementError, StoreError
from harness.processes import ProcessLost
from harness.report import ReportError
from harness.running import RunError
from harness.search import BudgetError, InfeasibleBudget, ScoreBookError

INTERNAL, UNREACHABLE, INTERRUPTED = 1, 3, 130

#: Options that are not called what their argument is in run.json.
OPTIONS = {"precisions": "precision"}

#: Exit codes, in the order in which the first that occurred is taken; usage errors end a run at once. What was raised
#: has the code of the narrowest of its classes: an engine or an agent that fails on a device that can still be reached
#: is a failed measurement.
CODES: dict[int, tuple[type[Exception], ...]] = {
    2: (
        AblationError,
        ProfileError,
        DataError,
        BankError,
        BaselineError,
        BudgetError,
        RunError,
        ReportError,
        ScoreBookError,
        KeptCostsError,
        StoreError,
        WriteError,
        CheckpointError,
        TrainingError,
        SubnetFileError,
        ValidationError,
    ),
    3: (DeviceError, ConnectionLost),
    5: (EngineFailed, AgentLost, MeasurementError, ExportError, ExportMismatch, PrecisionError, AdaptationDiverged),
    4: (InfeasibleBudget,),
}
#: What the operating system says of a path that may not be looked at, or cannot be one.
REFUSED = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
_BY_KIND = {kind: code for code, kinds in CODES.items() for kind in kinds}


def guarded(work: Callable[[], int], console: Console, again: Callable[[], str], debug: bool) -> int:
    """Return what `work` returns, or the exit code of what it raises, told in one sentence.

    `again` says how to go on from what is there by then.
    """
    try:
        return work()
    except KeyboardInterrupt:
        console.error(f"interrupted; go on with: {again()}")
        return INTERRUPTED
    except ProcessLost as error:
        console.warn(f"{error}; go on with: {again()}")  # the one that failed has told the error
        return INTERNAL
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = code_of([error])
        hint = "" if code != INTERNAL else " (an internal error; --debug shows where)"
        if isinstance(error, WriteError):
            hint = f"; put that right and go on with: {again()}"
        console.error(sentence(error) + hint)
        return code


def code_of(problems: Iterable[Exception]) -> int:
    """Return the exit code for what went wrong: 0 for nothing, 1 for what has no code of its own."""
    found = {_code(problem) for problem in problems}
    return next((code for code in (*CODES, INTERNAL) if code in found), 0)


def _code(problem: Exception) -> int:
    if _of_a_refused_path(problem):
        return 2
    return next((_BY_KIND[kind] for kind in type(problem).__mro__ if kind in _BY_KIND), INTERNAL)


def _of_a_refused_path(problem: Exception) -> TypeGuard[OSError]:
    return isinstance(problem, OSError) and problem.errno in REFUSED and problem.filename is not None


def sentence(error: Exception) -> str:
    """Return an error's message on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        fields = [part for part in first["loc"] if isinstance(part, str)]  # the others are places in a comma list
        where = "".join(f"--{OPTIONS.get(part, part)}: " for part in fields[-1:]).replace("_", "-")
        return f"{where}{first['msg']}".replace("Value error, ", "")
    if _of_a_refused_path(error):
        return one_line(f"{error.filename} cannot be opened: {error.strerror}")
    return one_line(str(error)) or type(error).__name__
