"""Limits for one user or address: rates, and how much may be open at once.

The gateway's dispatcher and the gRPC pipeline ask ``Limiter``. It counts in process, and also in Redis or
Valkey if ``STRONGROOM_REDIS_URL`` names one. docs/limits.md lists every limit; docs/decisions/0020-limits.md
has the reasons for this design.
"""

from servicekit.limits.counts import Cap, Hold, Holds
from servicekit.limits.limiter import Limiter, make_limiter
from servicekit.limits.settings import CapSettings

__all__ = ["Cap", "CapSettings", "Hold", "Holds", "Limiter", "make_limiter"]
