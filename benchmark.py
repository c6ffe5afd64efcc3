#!/usr/bin/env python3
"""The command line: adapt a model bank once, measure its subnets on devices, search them without target labels."""

import sys

try:
    from harness.commands import app
except ModuleNotFoundError as error:
    sys.exit(f"error: {sys.executable} has no {error.name}; use the environment's: .venv/bin/python benchmark.py ...")

__all__ = ["app"]

if __name__ == "__main__":
    app()
