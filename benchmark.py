#!/usr/bin/env python3
"""The command line: adapt a model bank once, measure its subnets on devices, search them without target labels."""

from harness.commands import app

__all__ = ["app"]

if __name__ == "__main__":
    app()
