"""Statistics by network, against other libraries, hand-worked cases and simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats

from robint_tf.interpretability import inference, scores, welch
from robint_tf.paper import published


def test_the_slope_is_the_textbooks():
    """y = 1, 2, 4 on x = 0, 1, 2: slope 1.5, residuals 1/6, -1/3, 1/6, standard error sqrt(1/12)."""
    found = inference.slope(np.arange(3), np.array([1, 2, 4]))
    assert found.value == pytest.approx(1.5)
    half = np.sqrt(1 / 12) * stats.t.ppf(0.975, 1)
    assert found.interval == pytest.approx((1.5 - half, 1.5 + half))
    assert inference.slope(np.ones(5), np.arange(5)) is None


def test_the_slopes_interval_covers_as_often_as_it_says():
    rng, x = np.random.default_rng(0), np.repeat(np.linspace(0, 1, 6), 3)
    hits = 0
    for _ in range(400):
        found = inference.slope(x, 0.7 * x + rng.normal(0, 0.3, len(x)))
        hits += found.interval.low <= 0.7 <= found.interval.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize("y", [[1, 2, 3, 4, 5, 6], [1, 3, 2, 4, 6, 5], [6, 5, 4, 3, 2, 1], [1, 1, 2, 2, 3, 1]])
def test_six_networks_are_judged_by_all_orders(y):
    x = np.arange(6.0)
    found = inference.rank_trend(x, np.array(y, float))
    rho = stats.spearmanr(x, y)[0]
    every = [abs(stats.spearmanr(x, order)[0]) >= abs(rho) - 1e-12 for order in itertools.permutations(y)]
    assert found.value == pytest.approx(rho)
    assert found.p == pytest.approx(np.mean(every))
    assert found.interval.low <= rho <= found.interval.high


@pytest.mark.parametrize(
    "design",
    [[(eps, 2) for eps in np.linspace(0, 1, 6)], [(0, 5), *((eps, 1) for eps in np.linspace(0.05, 1, 20))]],
    ids=["two of each eps", "several standard networks"],
)
@pytest.mark.parametrize("trend", [0.0, 2.0])
def test_the_rank_trends_interval_covers_as_often_as_it_says(design, trend, monkeypatch):
    """The truth: the mean rank correlation of networks of this design."""
    monkeypatch.setattr(inference, "_permutation_p", lambda *args: 1.0)  # which takes most of the time
    x = np.concatenate([np.full(n, eps) for eps, n in design])
    y = trend * x + np.random.default_rng(8).normal(size=(1200, len(x)))
    truth = np.mean([stats.spearmanr(x, v)[0] for v in y[:800]])
    intervals = [inference.rank_trend(x, v).interval for v in y[800:]]
    assert np.mean([low <= truth <= high for low, high in intervals]) >= 0.925


def test_the_quadratic_terms_p_is_that_of_the_f_test():
    rng = np.random.default_rng(1)
    x = np.linspace(0, 1, 21)
    y = np.sqrt(x) + rng.normal(0, 0.1, 21)
    line, parabola = (np.sum(np.square(y - np.polyval(np.polyfit(x, y, d), x))) for d in (1, 2))
    f = (line - parabola) / (parabola / 18)
    assert inference.curvature_p(x, y) == pytest.approx(stats.f.sf(f, 1, 18), rel=1e-6)
    assert inference.curvature_p(x, np.full(21, 0.1)) is None


def test_the_authors_roar_scores_saturate_in_every_series():
    ps = []
    for loss, norm in itertools.product(("xent", "cw"), ("l2", "linf")):
        table = published.series(loss, norm)
        ps += [inference.curvature_p(table.eps, table.scores["remove", a]) for a in ("gradient", "gradient_x_input")]
    assert len(ps) == 8
    assert max(ps) < 2e-4


def test_partial_correlation_by_hand_and_the_authors_figure_5():
    """With a line taken out, it is the textbook's (r_xy - r_xz r_yz) / sqrt((1 - r_xz²)(1 - r_yz²))."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=30)
    x, y = z + rng.normal(size=30), -z + rng.normal(size=30)
    r = np.corrcoef([x, y, z])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert inference.partial_correlation(x, y, z, degree=1).value == pytest.approx(expected)
    for loss, norm in itertools.product(("xent", "cw"), ("l2", "linf")):  # at fixed eps, nothing certain is left
        table = published.series(loss, norm)
        found = inference.partial_correlation(table.accuracy, table.scores["remove", "gradient"], table.eps)
        assert found.n == 21
        assert found.p > 0.01
        assert stats.pearsonr(table.accuracy, table.scores["remove", "gradient"])[0] < -0.9


def test_every_eps_must_exceed_the_standard_networks():
    rng = np.random.default_rng(3)
    eps = np.repeat([0.0, 1.0, 2.0, 3.0], 6)
    clear = rng.normal(0, 0.1, 24) + eps
    found = inference.above_standard(eps, clear)
    own = {"equal_var": False, "alternative": "greater"}
    by_hand = [stats.ttest_ind(clear[eps == e], clear[eps == 0], **own) for e in (1.0, 2.0, 3.0)]
    worst = max(by_hand, key=lambda test: test.pvalue)
    assert found.p == pytest.approx(worst.pvalue)
    assert found.interval.low == pytest.approx(worst.confidence_interval().low)
    assert found.p < 0.001
    assert found.interval.low > 0
    one_is_not = np.where(eps == 2, clear - 2, clear)
    assert inference.above_standard(eps, one_is_not).p > 0.05
    assert inference.above_standard(eps[2:], clear[2:]) is None  # four standard networks


@pytest.mark.parametrize("sd", [0.25, 1.0, 4.0])
def test_the_tests_against_standard_networks_keep_their_level(sd):
    """However standard networks vary: one eps equal to them and the others far above, or all of them equal to them."""
    rng, eps = np.random.default_rng(4), np.repeat([0.0, 1.0, 2.0, 3.0], [5, 5, 7, 7])
    above = below = 0
    for _ in range(600):
        score = rng.normal(0, np.where(eps == 0, sd, 1), len(eps))
        above += inference.above_standard(eps, score + np.where(eps > 1, 50, 0)).p < 0.05
        below += inference.below_standard(eps, score) < 0.05
    assert 0.025 <= above / 600 <= 0.075
    assert below / 600 <= 0.075


def test_how_networks_vary_is_not_taken_from_those_of_another_eps():
    eps = np.array([0, 0, 0, 0, 0, 1.0])
    score = np.array([0.0100, 0.0101, 0.0099, 0.01005, 0.00995, 0.0125])
    for found in (inference.above_standard(eps, score), inference.below_standard(eps, score)):
        assert found is None
    assert inference.unanswered(eps) == "needs 5 networks of every eps, there is 1 of eps 1"
    assert inference.unanswered(eps[1:]) == "needs 5 standard networks, there are 4"
    assert inference.unanswered(np.zeros(5)) == "there is no robust network"
    assert inference.unanswered(np.repeat([0.0, 1.0], 5)) == ""


def test_scores_that_do_not_vary_are_compared_as_they_are():
    eps = np.repeat([0.0, 1.0], 5)
    assert inference.above_standard(eps, eps).p == 0
    assert inference.above_standard(eps, -eps).p == inference.below_standard(eps, eps) == 1
    assert inference.above_standard(eps, np.ones(10)).p == inference.below_standard(eps, np.ones(10)) == 1


def test_the_height_of_a_line_has_the_error_of_its_regression():
    """The prediction of the mean at 2 for y = 1, 2, 4 on 0, 1, 2: 23/6, variance 1/6 (1/3 + 1/2)."""
    found = welch.line_at(np.arange(3), np.array([1, 2, 4]), 2)
    assert (found.value, found.error, found.freedom) == pytest.approx((23 / 6, np.sqrt(5 / 36), 1))
    assert welch.line_at(np.arange(2), np.arange(2), 1) is None
    assert welch.line_at(np.ones(4), np.arange(4), 1) is None


def test_holm_by_hand():
    assert inference.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert inference.holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_power_of_a_slope_is_that_of_simulation():
    eps, rng = np.linspace(0, 1, 6), np.random.default_rng(5)
    expected = inference.slope_power(eps, 2, 0.5, 0.8)
    x = np.repeat(eps, 2)
    hits = [inference.slope(x, 0.8 * x + rng.normal(0, 0.5, 12)).p < 0.05 for _ in range(1500)]
    assert np.mean(hits) == pytest.approx(expected, abs=0.04)
    assert inference.slope_power(eps, 2, 0.5, 0.0) == pytest.approx(0.05)
    least = inference.least_slope(eps, 2, 0.5)
    assert inference.slope_power(eps, 2, 0.5, least) == pytest.approx(0.8)


def test_variance_components_of_simulated_networks():
    rng = np.random.default_rng(6)
    found = inference.variance_components(
        rng.normal(0, 2.0, (40, 10, 1)) + rng.normal(0, 1.0, (40, 10, 3)) + np.arange(40)[:, None, None]
    )
    assert found.between == pytest.approx(2.0, rel=0.1)
    assert found.within == pytest.approx(1.0, rel=0.1)
    with pytest.raises(ValueError, match="two of each"):
        inference.variance_components(np.zeros((4, 5, 1)))


def test_diff_roar_by_hand():
    fractions = np.array([0.25, 0.5, 0.75])
    kept, removed = np.array([0.6, 0.7, 0.8]), np.array([0.7, 0.5, 0.2])
    # keeping the bottom quarter is removing the top three quarters: 0.2
    np.testing.assert_allclose(scores.diff_roar(fractions, kept, removed), [0.4, 0.2, 0.1])
    assert scores.diff_roar_score(fractions, kept, removed) == pytest.approx(0.25 * (0.4 + 0.2 + 0.1))
    with pytest.raises(ValueError, match="1 - k for every k"):
        scores.diff_roar(np.array([0.1, 0.5]), kept[:2], removed[:2])


def test_diff_roar_is_the_sum_of_both_scores_where_the_baselines_are_one():
    rng, fractions = np.random.default_rng(7), np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    kept, removed, random = rng.random((3, 4, 5))
    both = scores.roar_score(fractions, removed, random) + scores.kar_score(fractions, kept, random[:, ::-1])
    np.testing.assert_allclose(scores.diff_roar_score(fractions, kept, removed), both)


def test_the_authors_diff_roar_rises_in_every_series():
    for loss, norm, attribution in itertools.product(("xent", "cw"), ("l2", "linf"), ("gradient", "gradient_x_input")):
        table = published.series(loss, norm)
        area = np.add(table.scores["remove", attribution], table.scores["keep", attribution])
        assert inference.rank_trend(np.array(table.eps), area).interval.low > 0.5
