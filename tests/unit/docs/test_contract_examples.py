"""What the docs say of pilothouse.testing can be pasted."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["queues.md", "streams.md", "data.md"])
def test_examples_of_contracts_run(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if page == "data.md":
        pytest.importorskip("proxystore")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "import" in block and "pilothouse.testing" in block]
    for name in ("my_package", "my_package.queues", "my_package.stores"):
        module = ModuleType(name)
        module.MyQueue = module.MyConnector = object  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    found: dict[str, object] = {}
    exec(example, found)
    suites = [each for name, each in found.items() if name.startswith("Test")]
    assert suites
    for suite in suites:
        (contract,) = suite.__bases__  # type: ignore[attr-defined]
        wanted = set(getattr(contract, "__annotations__", {})) - set(vars(contract))
        assert wanted <= set(vars(suite)), f"{suite} leaves out {wanted - set(vars(suite))}"
