"""Settings that change how a run goes, not what comes out; they are not in the fingerprint."""

from __future__ import annotations

OPERATIONAL = {"operational": True}
"""Metadata of such a field of a configuration: `concurrency: int = field(default=16, metadata=OPERATIONAL)`."""
