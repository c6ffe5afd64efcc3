"""Whether devices are ready: which of them answer, and whether they can give honest numbers now."""

from harness.readiness.commands import execute_devices, execute_selfcheck

__all__ = ["execute_devices", "execute_selfcheck"]
