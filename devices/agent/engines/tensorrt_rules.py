"""What holds for TensorRT whichever way it is reached, by its Python binding or by trtexec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from .cache import digest
from .contract import EngineError

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Settings

WORKSPACE_MIB = 1024
#: What every engine is built with, as far as it could be otherwise; a part of the key that engines are kept by.
BUILT_WITH = "workspace %d MiB, no TF32, default optimisation level" % WORKSPACE_MIB
#: Until TensorRT 10 the builder has a mode for each that the file's types need, since 11 it follows the types alone.
PRECISIONS = ("fp32", "fp16", "int8")
_OLDEST = (8, 5)


def version_numbers(version: str) -> tuple[int, ...]:
    """Return a version like `10.3.0.26` as numbers; raises `EngineError` where it is too old for what is done here."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if not numbers:
        raise EngineError("TensorRT does not tell its version (it says %r)" % version)
    if numbers < _OLDEST:
        raise EngineError(
            "TensorRT %s is too old, it must be %d.%d or newer: install JetPack 5.1 or newer (a board whose last is "
            "JetPack 4, such as the first Jetson Nano, cannot be used)" % (version, *_OLDEST)
        )
    return numbers


def keys(cache: EngineCache, runtime: dict[str, str], path: str, settings: Settings) -> tuple[str, Path]:
    """Return the key of the engine of the network in file `path`, and where what building it has timed is kept.

    `runtime` tells engine, version and GPU. Builds of one number share their timings; another build times afresh.
    """
    parts = dict(runtime, flags=BUILT_WITH, build=settings.build)
    key = cache.key(network=digest(Path(path)), precision=settings.precision, **parts)
    return key, cache.timings(cache.key(**parts))
