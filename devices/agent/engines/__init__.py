"""Engines: what executes a network. One module each, imported only when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .contract import EngineError

if TYPE_CHECKING:
    from .contract import Engine

_MODULES = {"onnxruntime": ".onnxruntime_engine"}


def create(name: str) -> Engine:
    """Return the engine called `name`; raises `EngineError` where it is unknown or its runtime cannot be imported."""
    if name not in _MODULES:
        raise EngineError("no engine is called %r; there is %s" % (name, ", ".join(sorted(_MODULES))))
    try:
        module = importlib.import_module(_MODULES[name], __name__)
        engine: Engine = module.create()
    except ImportError as error:
        raise EngineError("the runtime of %s cannot be imported: %s" % (name, error)) from error
    return engine
