"""The contract of queues notices what is wrong."""

from __future__ import annotations

import pytest

from tests.contract.noticing import unnoticed

pytest_plugins = ["pytester"]

WRONG = {
    "Sound": "fails_has_its_exit_code",
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
    assert unnoticed(pytester, imports, suite, WRONG) == {"Sound"}


def test_pilots_that_ask_for_what_their_queue_can_not_give_are_noticed(pytester: pytest.Pytester) -> None:
    imports = """
        import pytest
        import pilothouse as ph
        from pilothouse.pilots.queues.pbs import PBSQueue
        from pilothouse.testing.pilots import PilotContract
        from tests.contract.queues.wrong_queues import Nameless, Sound
        from tests.fakes.batch import CORES, HOSTS, fake_batch

        class OnPBS(PilotContract):
            hosts, cores, system, delete = HOSTS, CORES, "pbs", "qdel"

            @pytest.fixture(autouse=True)
            def batch(self, tmp_path, state_home):
                with fake_batch("pbs", tmp_path / "batch"):
                    yield
                    for pilot in ph.pilots():
                        pilot.cancel()
    """
    suite = """
        class Test{wrong}(OnPBS):
            @pytest.fixture(autouse=True)
            def wrong(self, batch, monkeypatch):
                monkeypatch.setattr(PBSQueue, "limits", {wrong}.limits)
    """
    wrong = {"Sound": "its_site_is_found", "Nameless": "its_site_is_found"}
    assert unnoticed(pytester, imports, suite, wrong) == {"Sound"}
