"""Engines: what executes a network. One module each, imported only when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .contract import EngineError, EngineMissing

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Engine

#: Module and argument of its `create`, by the engine's name.
MODULES = {
    "onnxruntime": (".onnxruntime_engine", "cpu"),
    "onnxruntime-cuda": (".onnxruntime_engine", "cuda"),
    "onnxruntime-tensorrt": (".onnxruntime_engine", "tensorrt"),
    "tensorrt": (".tensorrt_engine", ""),
    "trtexec": (".trtexec_engine", ""),
    "torch": (".torch_engine", ""),
}


class Engines:
    """The engines of this device: each is made when it is first asked for, and kept."""

    def __init__(self, cache: EngineCache) -> None:
        """Give the engines `cache` for what they build."""
        self._cache = cache
        self._made: dict[str, Engine] = {}
        self._described: dict[str, dict[str, Any]] = {}

    def engine(self, name: str) -> Engine:
        """Return the engine called `name`; raises `EngineMissing` where it is unknown or its runtime cannot be used."""
        if name not in MODULES:
            raise EngineMissing("no engine is called %r; there is %s" % (name, ", ".join(sorted(MODULES))))
        if name not in self._made:
            module_name, variant = MODULES[name]
            try:
                module = importlib.import_module(module_name, __name__)
                self._made[name] = module.create(variant, self._cache)
            except (ImportError, OSError) as error:  # a package whose libraries are missing raises either
                raise EngineMissing("the runtime of %s cannot be imported: %s" % (name, error)) from error
            except EngineError as error:
                raise EngineMissing(str(error)) from error
        return self._made[name]

    def describe(self, name: str) -> dict[str, Any]:
        """Return what engine `name` is here: its description, or in `missing` the reason why it cannot be used."""
        try:
            if name not in self._described:
                self._described[name] = self.engine(name).describe()
            return dict(self._described[name], engine=name, missing=None)
        except EngineError as error:
            return {"engine": name, "missing": str(error)}
