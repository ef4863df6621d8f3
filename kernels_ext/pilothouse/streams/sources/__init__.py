"""Sources: what producers send (MASS in the Streaming Mini-Apps).

The module can be called: ``ph.streams.sources()`` says what there is.
"""

from __future__ import annotations

import sys

from pilothouse.streams.catalogue import Listing

sys.modules[__name__].__class__ = Listing
