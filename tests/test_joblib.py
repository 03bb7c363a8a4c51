"""The backend that joblib and scikit-learn have of dpfw's."""

import os

import pytest

joblib = pytest.importorskip("joblib", reason="joblib is not installed")
pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")

import dpfw.joblib  # noqa: E402, F401
from dpfw.master import Master  # noqa: E402
from tests.callables import PlainError, Point, meet, raise_it, wait_for  # noqa: E402
from tests.two_slaves import master  # noqa: E402, F401

delayed = joblib.delayed


@pytest.fixture
def parallel(master):
    with joblib.parallel_config(backend="dpfw", master=master):
        yield joblib.Parallel


def test_parallel_runs_on_the_slaves(parallel):
    assert parallel(n_jobs=2)(delayed(pow)(2, n) for n in range(5)) == [1, 2, 4, 8, 16]
    points = parallel()(delayed(lambda x: Point(x))(n) for n in range(3))
    assert points == [Point(0), Point(1), Point(2)]


def test_as_many_jobs_run_side_by_side_as_there_are_slaves(parallel, tmp_path):
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    pids = parallel()([delayed(meet)(one, two), delayed(meet)(two, one)])
    assert len({os.getpid(), *pids}) == 3


def test_an_exception_is_the_one_that_was_raised_and_ends_the_rest(
    parallel, master, tmp_path
):
    never = str(tmp_path / "never")
    with pytest.raises(PlainError, match="on purpose") as raised:
        parallel()([delayed(wait_for)(never), delayed(raise_it)(PlainError, "on purpose")])
    assert "raise error(*arguments)" in str(raised.value.__cause__)
    assert master.tasks() == []


@pytest.mark.parametrize(
    ("n_jobs", "effective"), [(1, 1), (5, 5), (-1, 2), (-2, 2)]
)
def test_jobs_are_counted_in_slaves(parallel, n_jobs, effective):
    assert joblib.effective_n_jobs(n_jobs) == effective


def test_no_jobs_make_no_sense(parallel):
    with pytest.raises(ValueError, match="n_jobs is 0"):
        joblib.effective_n_jobs(0)


def test_without_slaves_it_says_how_to_get_some():
    with (
        Master() as alone,
        joblib.parallel_config(backend="dpfw", master=alone),
        pytest.raises(RuntimeError, match=r"dpfw\.launch"),
    ):
        joblib.Parallel(n_jobs=2)([delayed(abs)(1)])


def test_a_grid_search_of_scikit_learn(parallel, master):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    def tasks():
        return sum(slave.session.number for slave in master.slaves())

    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]})
    data = load_iris(return_X_y=True)
    before = tasks()
    here = search.set_params(n_jobs=1).fit(*data).best_score_
    assert tasks() == before
    assert search.set_params(n_jobs=2).fit(*data).best_score_ == here
    assert tasks() > before
    assert search.best_params_ == {"max_depth": 3}
