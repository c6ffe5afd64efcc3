"""What `tests.boards.jetson` puts onto a fake Jetson: TensorRT's Python binding and trtexec, over ONNX Runtime.

Other processes use a copy of this package, so it imports nothing else of the tests'. Networks are really run, and
everything is refused that the version in question refuses. Modelled on NVIDIA/TensorRT (python/src, samples/trtexec,
samples/common) at tags 8.5.2, v10.3.0 and v11.0, and on the bindings of 10.3.0 and 11.4.0 as published.
"""
