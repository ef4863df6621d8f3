"""The contract of queues notices what is wrong."""

from __future__ import annotations

import pytest

from tests.contract.noticing import unnoticed

pytest_plugins = ["pytester"]

WRONG = {
    "Optimist": "fails_has_its_exit_code",
    "Anonymous": "fails_has_its_exit_code",
    "Limitless": "its_queues_have",
}


def test_wrong_queues_are_noticed(pytester: pytest.Pytester) -> None:
    imports = """
        import pytest
        from pilothouse.testing.queues import QueueContract
        from tests.contract.queues import wrong_queues
        from tests.fakes.batch import CORES, HOSTS, fake_batch
    """
    suite = """
        class Test{wrong}(QueueContract):
            hosts, cores, system, make = HOSTS, CORES, "pbs", wrong_queues.{wrong}

            @pytest.fixture(autouse=True)
            def batch(self, tmp_path):
                with fake_batch("pbs", tmp_path / "batch"):
                    yield
    """
    assert not unnoticed(pytester, imports, suite, WRONG)
