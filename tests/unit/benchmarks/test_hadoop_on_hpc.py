"""K-means of Hadoop on HPC: the kernel that all ways call, and how figures become rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.hadoop_on_hpc import of_engines, of_way, published
from benchmarks.hadoop_on_hpc.kmeans import PROBLEMS, Problem, bare, make, moved, of_scikit_learn, partial, split
from benchmarks.hadoop_on_hpc.measuring import Case, Measured, StartUp, dataset, measure
from benchmarks.hadoop_on_hpc.ways import Way
from benchmarks.rows import Row, table, within
from pilothouse.errors import Failed, Refused

SMALL = Problem(3_000, 40)


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_two_iterations_are_those_of_scikit_learn_however_many_parts(parts: int) -> None:
    points, first = make(SMALL)
    theirs = of_scikit_learn(points, first).centres
    np.testing.assert_allclose(bare(split(points, parts), first).centres, theirs, rtol=0, atol=1e-9)


def test_a_centre_that_no_point_is_nearest_to_stays() -> None:
    points, first = make(SMALL)
    first[3] = 100.0
    found = moved([partial(points, first)], first)
    np.testing.assert_array_equal(found[3], [100.0, 100.0, 100.0])
    assert not np.array_equal(found[:3], first[:3])


def test_parts_are_all_of_the_points_of_one_size_but_for_one() -> None:
    points, _ = make(SMALL)
    parts = split(points, 7)
    assert {len(part) for part in parts} == {428, 429}
    np.testing.assert_array_equal(np.concatenate(parts), points)


def test_the_problems_have_as_many_distances() -> None:
    assert {problem.points * problem.clusters for problem in PROBLEMS} == {50_000_000}
    assert PROBLEMS[2].title == "1,000,000 x 50"


def test_the_papers_table_has_a_figure_for_each_backend_number_of_tasks_and_scenario() -> None:
    found = published.completion()
    assert found.sizes == {"backend": 5, "tasks": 3, "scenario": 3}
    assert float(found.min()) == 501
    where = {"backend": "Wrangler, RP-YARN", "tasks": 32, "scenario": "100,000 x 500"}
    assert float(found.sel(where)) == 501
    assert published.completed("yarn", PROBLEMS[1]) == "RP-YARN, 8-32 cores: Stampede 587-1708 s; Wrangler 501-1544 s"
    assert published.completed("ray", PROBLEMS[1]) == ""  # the papers know none
    assert published.set_up("dask") == "RP: Stampede 33.2-55.3 s; Wrangler 31.3-34.3 s"
    assert published.engine_set_up("yarn") == "with the pilot, RP-YARN: Stampede 110-146 s; Wrangler 85.3-88.9 s"
    assert published.engine_set_up("mpi") == ""  # there was nothing to start
    assert published.units("yarn") == "RP-YARN: 9-25 s"
    assert published.extended("spark") == "Wrangler, LRZ: 16.2 s"


def test_what_can_t_be_had_is_a_row_that_says_so_and_no_number() -> None:
    (row,) = of_way(Measured("ray", "Ray tasks", "engine ray is not installed"))
    assert row == Row("Ray tasks: engine ray is not installed", None, None, None, None, True)
    (row,) = of_engines([StartUp("spark", "spark", "engine spark is not installed")])
    assert row.ours is None
    assert row.holds


def test_what_should_have_started_and_did_not_is_no_row_that_holds() -> None:
    for (row,) in (
        of_way(Measured("ray", "Ray tasks", "it ended with code 1", broken=True)),
        of_engines([StartUp("spark", "Apache Spark", "it ended with code 1", broken=True)]),
    ):
        assert row.ours is None
        assert not row.holds


class _Never(Way):
    name, title, needs = "never", "A way that ends", ()

    def __init__(self, error: Exception) -> None:
        self._error = error

    @contextmanager
    def started(self, pilot: Any) -> Iterator[Any]:
        raise self._error
        yield pilot


@pytest.mark.parametrize(("error", "broken"), [(Refused("others are here"), False), (Failed("it ended"), True)])
def test_a_refusal_is_no_failure_and_a_failure_ends_no_benchmark(error: Exception, broken: bool) -> None:
    found = measure(None, _Never(error))  # type: ignore[arg-type]
    assert (found.reason, found.broken) == (str(error), broken)


def test_figures_of_a_way_become_rows_and_what_was_published_is_no_bound() -> None:
    cases = {PROBLEMS[0]: Case(loading=0.2, iterating=0.3, kernel=0.15, difference=0.0)}
    found = of_way(Measured("dask", "Dask tasks", "", 3.0, 2.0, 0.01, cases))
    beside, whole = (row for row in found if "10,000 x 5,000" in row.metric)
    assert (beside.ours, beside.ratio, beside.bound) == (0.3, 2.0, None)
    assert (whole.ours, whole.bound) == (pytest.approx(0.5), 1.0)
    assert "Wrangler 660-1498 s" in whole.published
    slow = {PROBLEMS[0]: Case(loading=0.9, iterating=0.3, kernel=0.15, difference=1e-6)}
    assert [row.holds for row in of_way(Measured("dask", "Dask tasks", "", 3.0, 2.0, 0.01, slow))][-2:] == [
        False,
        False,
    ]
    assert of_way(Measured("mpi", "MPI ranks", "", 3.0, 2.0, 0.01, slow))[-2].holds


def test_the_table_of_a_notebook_has_no_numbers_for_what_is_not_there() -> None:
    cases = {PROBLEMS[0]: Case(0.2, 0.3, 0.15, 0.0)}
    found = dataset([Measured("dask", "Dask tasks", "", 3.0, 2.0, 0.01, cases), Measured("ray", "Ray tasks", "no ray")])
    assert float(found["completion"].sel(way="Dask tasks").item()) == pytest.approx(0.5)
    assert np.isnan(found["completion"].sel(way="Ray tasks")).all()
    assert found["reason"].sel(way="Ray tasks") == "no ray"


def test_only_tables_with_published_figures_have_a_column_for_them() -> None:
    plain, told = within("a", 1.0, 2.0), Row("b", 1.0, None, None, None, True, "there: 3 s")
    assert "published" not in table([plain])
    head, first, second = table([plain, told]).splitlines()
    assert head.endswith("published")
    assert first.endswith("yes")
    assert second.endswith("there: 3 s")


def test_a_benchmark_is_named_with_dashes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "hadoop-on-hpc"])
    monkeypatch.setattr("benchmarks.hadoop_on_hpc.rows", lambda: [within("something", 3.0, 2.0)])
    assert main() == 1
    assert "something" in capsys.readouterr().out
