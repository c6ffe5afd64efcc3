"""What the tests of a board behind SSH share: long rounds, other runs that hold it, and slow lines."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.sources import ROOT
from tests.sshd import Board

MANY = 50_000  # runs of the large network: half a minute

#: A line that brings everything so much later, as a ProxyCommand: port and seconds.
SLOW_LINE = """
import os, socket, sys, threading, time
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def carry(read, write):
    while piece := read(65536):
        time.sleep(float(sys.argv[2]))
        write(piece)
    os._exit(0)
threading.Thread(target=carry, args=(server.recv, lambda piece: os.write(1, piece))).start()
carry(lambda size: os.read(0, size), server.sendall)
"""


def later(action: Callable[[], object], seconds: float = 0.3) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


HOLD = """
import sys, time
from pathlib import Path
from typing import Any
from devices import Visit, connect
from devices.profile import DeviceProfile
profile = DeviceProfile.model_validate_json(sys.argv[1])
with connect(profile) as device, device.agent() as agent:
    model = device.load(agent, Path(sys.argv[2]))
    print("holds", flush=True)
    agent.run_round([Visit(model.handle, 0, int(sys.argv[3]))])
"""


def hold(board: Board, network: Path, runs: int = MANY) -> "subprocess.Popen[str]":
    """Start another run, in whose agent a long round has begun."""
    command = [sys.executable, "-c", HOLD, board.profile().model_dump_json(), str(network), str(runs)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert run.stdout is not None
    assert run.stdout.readline() == "holds\n", run.communicate()
    return run
