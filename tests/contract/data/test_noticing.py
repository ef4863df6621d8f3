"""The contract of stores notices what is wrong."""

from __future__ import annotations

import pytest

pytest.importorskip("proxystore")

from tests.contract.noticing import unnoticed

pytest_plugins = ["pytester"]

WRONG = {
    "Lost": "another_process",
    "Strict": "evicting_can_be_repeated",
    "Borrowing": "was_put_from",
    "Clearing": "closing_can_be_repeated",
}


@pytest.mark.nightly
def test_wrong_stores_are_noticed(pytester: pytest.Pytester) -> None:
    imports = """
        import pytest
        from pilothouse.testing.stores import StoreContract
        from tests.contract.data import wrong_stores
    """
    suite = """
        class Test{wrong}(StoreContract):
            @pytest.fixture
            def connector(self):
                return wrong_stores.{wrong}()
    """
    assert not unnoticed(pytester, imports, suite, WRONG)
