"""Environment variables that torch and ONNX Runtime read when they are loaded: import this before them."""

import os

# ONNX Runtime's Linux wheel reports home otherwise. OpenMP's threads spin for milliseconds while they wait, which
# beside other work makes training several times slower; told to sleep at once they make it twice as slow on an idle
# machine. Some ten microseconds are right on both.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
