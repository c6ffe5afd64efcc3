from pathlib import Path

import pytest

from tests.ablation.plans import plan, run

MEASURED = ("ladder", "upem", "search", "convergence")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds three rungs of the ladder and all that is measured without further training.

    Not to be written to.
    """
    folder = tmp_path_factory.mktemp("ablation")
    run(plan(folder, *MEASURED, methods=("source-only", "symnet", "slimda")))
    return folder
