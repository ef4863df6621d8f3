"""Brokers: what carries messages from producers to consumers.

The module can be called: ``ph.streams.brokers()`` says what there is.
"""

from __future__ import annotations

import sys

from pilothouse.streams.catalogue import Listing

sys.modules[__name__].__class__ = Listing
