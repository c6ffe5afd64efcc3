"""The first thing that runs on a board: it brings the agent there, once per version, and becomes its session.

The workstation gives this text to `python3 -I -c` before it knows which Python that is, through whatever login shell
the account has: hence words that any Python 3 understands, no functions, no backslashes and no single quotes.
Arguments: the SHA-256 of the zipapp, its size in bytes, and what the session is started with.
"""

import errno
import hashlib
import json
import os
import runpy
import sys
from pathlib import Path

digest, size = sys.argv[1], int(sys.argv[2])
if sys.version_info < (3, 8):
    found = "%s is %s" % (sys.executable or "its python3", ".".join(map(str, sys.version_info[:3])))
    print(json.dumps({"ok": False, "kind": "python", "message": found}), flush=True)
    sys.exit()
# The folder of the local transport, so that a run on the board itself and one from a desk share one lock.
base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~", ".cache").expanduser(), "slimda-edge", "local")
agent = base / (digest + ".pyz")
partial = base / ("%s.%d.part" % (digest, os.getpid()))
try:
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = agent.exists() and hashlib.sha256(agent.read_bytes()).hexdigest() == digest
    print(json.dumps({"ok": True, "present": present}), flush=True)
    if not present:
        content = b""
        while len(content) < size:
            piece = os.read(0, size - len(content))
            if not piece:
                sys.exit()
            content += piece
        if hashlib.sha256(content).hexdigest() != digest:
            print(json.dumps({"ok": False, "kind": "damaged", "message": "the agent"}), flush=True)
            sys.exit()
        partial.write_bytes(content)
        partial.replace(agent)
except OSError as error:
    kind = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "folder"
    print(json.dumps({"ok": False, "kind": kind, "message": "%s: %s" % (base, error.strerror)}), flush=True)
    if partial.exists():
        partial.unlink()
    sys.exit()
sys.argv[:3] = [str(agent), "session", "--base", str(base)]
runpy.run_path(str(agent), run_name="__main__")
