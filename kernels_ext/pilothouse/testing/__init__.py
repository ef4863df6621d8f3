"""Contract suites: what every queue, broker, source, processor and store must do, as tests to inherit.

Whoever writes one of these for Pilothouse inherits the suite in a test of their own::

    from pilothouse.testing.brokers import BrokerContract


    class TestMine(BrokerContract):
        broker = "my_package.brokers:Mine"

and runs it with pytest (extra ``testing``). Nothing in Pilothouse itself imports this room.
"""

from __future__ import annotations

from pilothouse.errors import PilothouseError

try:
    import pytest
except ImportError as error:
    raise PilothouseError("the contract suites need pytest: pip install 'pilothouse[testing]'") from error

# Their assertions then say what was compared, as those of a test file do.
SUITES = ("brokers", "pilots", "processors", "queues", "sources", "stores")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in (*SUITES, "elsewhere", "waiting")))
