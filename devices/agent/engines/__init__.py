"""Engines: what executes a network. One module each, imported only when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .contract import EngineError

if TYPE_CHECKING:
    from .contract import Engine

#: Module and argument of its `create`, by the engine's name.
_MODULES = {"onnxruntime": (".onnxruntime_engine", "cpu")}


def create(name: str) -> Engine:
    """Return the engine called `name`; raises `EngineError` where it is unknown or its runtime cannot be imported."""
    if name not in _MODULES:
        raise EngineError("no engine is called %r; there is %s" % (name, ", ".join(sorted(_MODULES))))
    module_name, variant = _MODULES[name]
    try:
        module = importlib.import_module(module_name, __name__)
        engine: Engine = module.create(variant)
    except ImportError as error:
        raise EngineError("the runtime of %s cannot be imported: %s" % (name, error)) from error
    return engine


def describe(name: str) -> dict[str, Any]:
    """Return what engine `name` is here: its description, or in `missing` the reason why it cannot be used."""
    try:
        return dict(create(name).describe(), engine=name, missing=None)
    except EngineError as error:
        return {"engine": name, "missing": str(error)}
