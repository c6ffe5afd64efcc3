"""The agent as one file: a zipapp whose bytes depend on the sources alone."""

import io
import zipfile
from pathlib import Path

_SOURCES = Path(__file__).parent / "agent"
_MAIN = """import sys

if sys.argv[1:2] == ["session"]:
    del sys.argv[1]
    from agent.session import main
else:
    from agent.main import main
main()
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def agent_zipapp() -> bytes:
    """Return the bytes of `agent.pyz`, the same for the same sources, so that an upload can be skipped by its hash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _EPOCH), _MAIN)
        for path in sorted(_SOURCES.rglob("*.py")):
            name = Path("agent", path.relative_to(_SOURCES)).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
    return buffer.getvalue()
