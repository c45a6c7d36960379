"""What one user or address may have of an installation: rates, and how much is open at once.

``Limiter`` is what the doors (the gateway's dispatcher, the gRPC pipeline) ask. It counts in process, and
also in Redis or Valkey where ``STRONGROOM_REDIS_URL`` names one. docs/limits.md lists every limit;
docs/decisions/0020-limits.md says why it is built so.
"""

from servicekit.limits.counts import Cap, Hold, Holds
from servicekit.limits.limiter import Limiter, make_limiter
from servicekit.limits.settings import CapSettings

__all__ = ["Cap", "CapSettings", "Hold", "Holds", "Limiter", "make_limiter"]
