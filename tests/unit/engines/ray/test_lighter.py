"""What stands before a slow package in Ray's processes: the package itself, as soon as it is asked for anything."""

from __future__ import annotations

import os
import subprocess
import sys

from pilothouse.engines.ray.member import LIGHTER

ASK = """
import sys
import jsonschema
assert "jsonschema.validators" not in sys.modules
jsonschema.validate(1, {"type": "integer"})
import jsonschema.exceptions  # a module of it
assert "jsonschema.validators" in sys.modules
from jsonschema import FormatChecker
assert "lark" not in sys.modules
checker = FormatChecker()
print(checker.conforms("http://example.org/a", "iri"), checker.conforms("http://[", "iri"))
assert "lark" in sys.modules
from rfc3987_syntax.utils import load_grammar
print(__import__("rfc3987_syntax").is_valid_syntax_iri("a:b"))
"""


def test_checks_of_formats_are_the_same_and_their_parsers_are_built_when_asked_for() -> None:
    env = {**os.environ, "PYTHONPATH": str(LIGHTER)}
    said = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False", "True"]
