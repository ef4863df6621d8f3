"""The contracts of brokers, sources and processors notice what is wrong."""

from __future__ import annotations

import pytest

from tests.contract.noticing import unnoticed

pytest_plugins = ["pytester"]

WRONG_BROKERS = {
    "Repeats": "killed_producer",
    "Boundless": "full_partition",
    "Overtaken": "lost_its_partition",
    "Unchecked": "damaged_message",
    "Sleepless": "turning_round",
    "Crowded": "keeps_the_others_out",
    "Punctual": "what_was_saved",
}
WRONG_SOURCES = {
    "Drifting": "depend_on_those_made_before",
    "Local": "any_process",
    "Transposed": "what_its_schema_says",
    "Mislabelled": "what_its_schema_says",
    "Reusing": "stays_as_it_is",
    "Careless": "bad_parameters",
    "Steady": "different_messages",
}
WRONG_PROCESSORS = {
    "Forgetful": "going_on_from_a_state",
    "Pickling": "never_unpickled",
    "Keeping": "payloads_are_not_kept",
    "Shared": "partitions_are_apart",
    "Cold": "before_it_is_warm",
    "Trusting": "damaged_state",
    "Unlabelled": "labelled_data",
}


def test_wrong_brokers_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from pilothouse.testing.brokers import PortableContract"
    suite = """
        class Test{wrong}(PortableContract):
            broker = "tests.contract.streams.wrong_brokers:{wrong}"
    """
    assert not unnoticed(pytester, imports, suite, WRONG_BROKERS)


def test_wrong_sources_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from tests.contract.streams.test_source_contract import TestKMeansRandom as Right"
    suite = """
        class Test{wrong}(Right):
            source = "tests.contract.streams.wrong_sources:{wrong}"
    """
    assert not unnoticed(pytester, imports, suite, WRONG_SOURCES)


def test_wrong_processors_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from tests.contract.streams.test_processor_contract import TestKMeans as Right"
    suite = """
        class Test{wrong}(Right):
            processor = "tests.contract.streams.wrong_processors:{wrong}"
    """
    assert not unnoticed(pytester, imports, suite, WRONG_PROCESSORS)
