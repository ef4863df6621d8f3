"""The contracts of brokers, sources and processors notice what is wrong."""

from __future__ import annotations

import pytest

from tests.contract.noticing import unnoticed

pytest_plugins = ["pytester"]

#: Wrong implementation -> what notices; a sound one is not called wrong by what has to do with other processes.
WRONG_BROKERS = {
    "Sound": "killed_producer or is_woken or keeps_the_others_out",
    "Repeats": "killed_producer",
    "Boundless": "full_partition",
    "Overtaken": "lost_its_partition",
    "Unchecked": "damaged_message",
    "Sleepless": "turning_round",
    "Crowded": "keeps_the_others_out",
    "Punctual": "what_was_saved",
}
WRONG_SOURCES = {
    "Sound": "any_process",
    "Drifting": "depend_on_those_made_before",
    "Local": "any_process",
    "Transposed": "what_its_schema_says",
    "Mislabelled": "what_its_schema_says",
    "Reusing": "stays_as_it_is",
    "Careless": "bad_parameters",
    "Steady": "different_messages",
}
WRONG_PROCESSORS = {
    "Sound": "another_process or before_it_is_warm",
    "Forgetful": "going_on_from_a_state",
    "Pickling": "never_unpickled",
    "Keeping": "payloads_are_not_kept",
    "Shared": "partitions_are_apart",
    "Cold": "before_it_is_warm",
    "Trusting": "damaged_state",
    "Unlabelled": "labelled_data",
}


@pytest.mark.nightly
def test_wrong_brokers_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from pilothouse.testing.brokers import PortableContract"
    suite = """
        class Test{wrong}(PortableContract):
            broker = "tests.contract.streams.wrong_brokers:{wrong}"
    """
    assert unnoticed(pytester, imports, suite, WRONG_BROKERS) == {"Sound"}


def test_wrong_sources_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from tests.contract.streams.test_source_contract import TestKMeansRandom as Right"
    suite = """
        class Test{wrong}(Right):
            source = "tests.contract.streams.wrong_sources:{wrong}"
    """
    assert unnoticed(pytester, imports, suite, WRONG_SOURCES) == {"Sound"}


@pytest.mark.nightly
def test_wrong_processors_are_noticed(pytester: pytest.Pytester) -> None:
    imports = "from tests.contract.streams.test_processor_contract import TestKMeans as Right"
    suite = """
        class Test{wrong}(Right):
            processor = "tests.contract.streams.wrong_processors:{wrong}"
    """
    assert unnoticed(pytester, imports, suite, WRONG_PROCESSORS) == {"Sound"}
