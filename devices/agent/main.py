"""The agent as a program: its arguments, and standard output that nothing but its answers is written to."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import wire
from .server import Server


def main() -> None:
    """Serve on standard input and output until the line ends."""
    parser = argparse.ArgumentParser(description="Measures networks for a workstation, over JSON lines.")
    parser.add_argument("--work", required=True, help="the folder files are read from and written to")
    parser.add_argument(
        "--cache", help="the folder built engines are kept in beyond this run (default: in the work folder)"
    )
    parser.add_argument("--silence", type=float, default=600.0, help="seconds without a request after which to end")
    parser.add_argument(
        "--root",
        default=os.environ.get("SLIMDA_AGENT_ROOT", "/"),
        help="the folder below which sysfs and procfs are read (default: $SLIMDA_AGENT_ROOT or /)",
    )
    arguments = parser.parse_args()
    os.chdir(arguments.work)
    os.environ["TMPDIR"] = str(Path.cwd())
    answers = os.dup(1)
    os.dup2(2, 1)  # a runtime that prints must not print into the conversation
    try:
        Server(arguments.work, arguments.root, arguments.cache).serve(wire.Line(0, answers), arguments.silence)
    except wire.WireError as error:
        sys.exit("the line failed: %s" % error)
