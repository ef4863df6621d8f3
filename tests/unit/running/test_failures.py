"""What failed is said at the end of .ci/run."""

from __future__ import annotations

from pathlib import Path

from tests.failures import failures

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.unit.md.test_recipe" name="test_a" time="2.5"/>
<testcase classname="tests.unit.md.test_recipe" name="test_b">
<failure message="assert 1 == 2&#10; + more">long</failure></testcase>
<testcase classname="tests.ui.test_panel" name="test_c"><error message="no browser">long</error></testcase>
</testsuite></testsuites>"""


def test_each_test_that_failed_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    (tmp_path / "cut.xml").write_text(JUNIT[:40])
    assert list(failures([tmp_path / "junit.xml", tmp_path / "cut.xml"])) == [
        "tests.unit.md.test_recipe::test_b: assert 1 == 2",
        "tests.ui.test_panel::test_c: no browser",
        "cut.xml: it is no junit file; were the tests ended?",
    ]
