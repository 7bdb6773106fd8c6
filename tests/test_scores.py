import math
from dataclasses import replace

import goldens
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from robint_tf.interpretability import scores

GOLDEN, META = goldens.load("scores"), goldens.meta("scores")
FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
CASES = [("remove", "roar"), ("keep", "kar")]
ATTRIBUTIONS = ("saliency", "gradxinput")

curves = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(1, 999), min_size=n, max_size=n, unique=True).map(lambda v: np.array(sorted(v)) / 1000),
        *[st.lists(st.floats(0, 1), min_size=n, max_size=n).map(np.array) for _ in range(2)],
    )
)
points = st.integers(4, 12).flatmap(
    lambda n: st.tuples(
        *[st.lists(st.integers(-99, 99), min_size=n, max_size=n, unique=True).map(np.array) for _ in range(2)]
    )
)


def golden_scores(occlusion, prefix, attribution):
    """Of every network against the standard network's random baseline, as the authors compare."""
    table, random = GOLDEN[f"{prefix}_{attribution}_f64"], GOLDEN[f"{prefix}_random_f64"][0]
    return scores.SCORES[occlusion](FRACTIONS, table, random)


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize(("occlusion", "prefix"), CASES)
def test_scores_equal_the_authors(occlusion, prefix, attribution):
    found = golden_scores(occlusion, prefix, attribution)
    np.testing.assert_allclose(found, GOLDEN[f"{prefix}_score_{attribution}_f64"], rtol=0, atol=1e-14)


@pytest.mark.parametrize("axis", ["eps", "test"])
@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize(("occlusion", "prefix"), CASES)
def test_correlations_and_lines_equal_the_authors(occlusion, prefix, attribution, axis):
    x = GOLDEN["eps_axis_f64" if axis == "eps" else "test_accuracy_f64"]
    y = golden_scores(occlusion, prefix, attribution)
    found, line = scores.correlation(x, y, n_resamples=100), scores.fit_line(x, y)
    np.testing.assert_allclose(
        [found.pearson, found.spearman, line.slope, line.intercept],
        GOLDEN[f"{prefix}_{attribution}_vs_{axis}_f64"],
        rtol=1e-10,
        atol=1e-12,
    )
    assert found.n == 21


@pytest.mark.parametrize("ends", [scores.AUTHORS_ENDS, scores.Ends(0.71, 0.12)])
def test_a_score_is_the_difference_of_two_areas_whatever_their_common_ends(ends):
    attribution, random = GOLDEN["roar_saliency_f64"], GOLDEN["roar_random_f64"][0]
    over = 1 - scores.area_under_curve(FRACTIONS, attribution, ends)
    over_random = 1 - scores.area_under_curve(FRACTIONS, random, ends)
    np.testing.assert_allclose(scores.roar_score(FRACTIONS, attribution, random), over - over_random, atol=1e-14)
    kept, random = GOLDEN["kar_saliency_f64"], GOLDEN["kar_random_f64"][0]
    replaced = 1 - np.array(FRACTIONS)[::-1]
    under, under_random = (scores.area_under_curve(replaced, v[..., ::-1], ends) for v in (kept, random))
    np.testing.assert_allclose(scores.kar_score(FRACTIONS, kept, random), under - under_random, atol=1e-14)


def test_the_authors_ends():
    assert list(scores.AUTHORS_ENDS) == META["end_points"]


def test_areas_by_hand():
    assert scores.area_under_curve([0.2], [0.4], scores.Ends(0.8, 0.2)) == pytest.approx(0.1 * 1.2 + 0.4 * 0.6)
    assert scores.roar_score([0.5], [0.4], [0.6]) == pytest.approx(0.1)  # a triangle of height 0.2
    assert scores.kar_score([0.5], [0.4], [0.6]) == pytest.approx(-0.1)
    line = scores.Ends(0.9, 0.1)
    assert scores.area_under_curve(FRACTIONS, 0.9 - 0.8 * np.array(FRACTIONS), line) == pytest.approx(0.5)
    dent = np.array([0.0, 0.0, 0.1, 0.0, 0.0])
    assert scores.roar_score(FRACTIONS, 0.5 - dent, [0.5] * 5) == pytest.approx(0.1 * 0.2)


@given(curves)
def test_scores_are_antisymmetric_and_opposite_in_roar_and_kar(curve):
    fractions, one, other = curve
    score = scores.roar_score(fractions, one, other)
    assert score == -scores.roar_score(fractions, other, one) == -scores.kar_score(fractions, one, other)
    assert scores.roar_score(fractions, one, one) == 0
    assert abs(score) <= 1


@given(curves)
def test_lower_accuracy_never_lowers_the_roar_score(curve):
    fractions, one, random = curve
    assert scores.roar_score(fractions, 0.9 * one, random) >= scores.roar_score(fractions, one, random)


@given(curves)
def test_a_point_on_the_curve_changes_no_area(curve):
    fractions, one, other = curve
    middle = fractions[0] / 2
    with_point = [np.insert(v, 0, v[0] / 2) for v in (one, other)]  # half way from the common end
    found = scores.roar_score(np.insert(fractions, 0, middle), *with_point)
    assert found == pytest.approx(scores.roar_score(fractions, one, other), abs=1e-12)


@pytest.mark.parametrize(
    ("fractions", "accuracies", "message"),
    [
        ([0.3, 0.1], [0.5, 0.5], "rising numbers inside"),
        ([0.0, 0.5], [0.5, 0.5], "rising numbers inside"),
        ([10, 30], [0.5, 0.5], "rising numbers inside"),
        ([0.1, 0.5], [0.5], r"shape \(1,\); the last axis needs 2"),
        ([0.1, 0.5], 0.5, r"shape \(\)"),
        ([0.1, 0.5], [0.5, np.nan], "NaN or lie outside"),
        ([0.1, 0.5], [50.0, 60.0], "NaN or lie outside"),
    ],
)
def test_what_is_no_curve_is_refused_in_one_line(fractions, accuracies, message):
    for call in (scores.area_under_curve, lambda f, a: scores.kar_score(f, a, np.full(len(f), 0.5))):
        with pytest.raises(ValueError, match=message) as error:
            call(fractions, accuracies)
        assert "\n" not in str(error.value)


def test_margin_is_the_criterion_of_section_3_2():
    assert scores.margin([0.3, 0.2, 0.5], [0.1]) == pytest.approx(0.1)
    assert scores.margin([0.3, 0.2, 0.5], [0.1, 0.25]) == pytest.approx(-0.05)
    with pytest.raises(ValueError, match="0 adversarially trained and 1 standard"):
        scores.margin([], [0.1])


def test_intervals_by_hand():
    # artanh 0.5 = 0.549306, 1.96 / sqrt(28 - 3) = 0.391993
    found = scores.fisher_interval(0.5, 28)
    assert found == pytest.approx((math.tanh(0.157313), math.tanh(0.941299)), abs=1e-6)
    # Bonett and Wright: the half width grows by sqrt(1 + 0.5^2 / 2) = 1.060660
    found = scores.bonett_wright_interval(0.5, 28)
    assert found == pytest.approx((math.tanh(0.133535), math.tanh(0.965077)), abs=1e-6)
    assert scores.fisher_interval(0.5, 3) == (-1, 1)
    assert scores.fisher_interval(1.0, 10) == (1, 1)
    assert scores.fisher_interval(-1.0, 10) == (-1, -1)


def test_ranks_in_perfect_order_are_not_certain():
    # six points, one neighbouring pair exchanged: r = 1 - 12 / 210, artanh = 1.763180, half width
    # 1.959964 * sqrt((1 + 0.444490) / 3) = 1.360024
    assert scores.bonett_wright_interval(1.0, 6) == pytest.approx((math.tanh(0.403156), 1.0), abs=1e-5)
    assert scores.bonett_wright_interval(-1.0, 6) == pytest.approx((-1.0, -math.tanh(0.403156)), abs=1e-5)
    assert scores.bonett_wright_interval(1.0, 3) == (-1, 1)
    found = scores.correlation(np.arange(6), np.exp(np.arange(6)))
    assert found.spearman == pytest.approx(1)
    assert found.spearman_interval.low < 0.4


@given(points)
@settings(max_examples=40)
def test_correlations_and_fisher_intervals_equal_scipy(pair):
    x, y = pair
    found, line = scores.correlation(x, y, n_resamples=50), scores.fit_line(x, y)
    pearson = scipy.stats.pearsonr(x, y)
    assert found.pearson == pytest.approx(pearson.statistic, abs=1e-12)
    assert found.pearson_interval == pytest.approx(tuple(pearson.confidence_interval(0.95)), abs=1e-6)
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    np.testing.assert_allclose(line, np.polyfit(x, y, 1), atol=1e-8)


def test_tied_values_share_their_rank():
    x, y = [0, 0, 1, 2, 2, 3], [1, 2, 2, 2, 5, 4]
    assert scores.correlation(x, y).spearman == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)


@given(points, st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=40)
def test_correlations_ignore_units_and_which_quantity_comes_first(pair, factor, offset):
    x, y = pair
    found = scores.correlation(x, y, n_resamples=50)

    def values(c):
        return [c.pearson, c.spearman, *c.pearson_bootstrap, *c.spearman_bootstrap]

    scaled = scores.correlation(factor * x + offset, y, n_resamples=50)
    np.testing.assert_allclose(values(scaled), values(found), atol=1e-9)
    np.testing.assert_allclose(values(scores.correlation(y, x, n_resamples=50)), values(found), atol=1e-9)
    mirrored = scores.correlation(-x, y, n_resamples=50)
    np.testing.assert_allclose([mirrored.pearson, mirrored.spearman], [-found.pearson, -found.spearman], atol=1e-9)
    monotone = scores.correlation(np.exp(x / 50), y, n_resamples=50)
    np.testing.assert_allclose(monotone.spearman, found.spearman, atol=1e-9)


@given(points)
@settings(max_examples=40)
def test_intervals_lie_in_range_and_in_order(pair):
    found = scores.correlation(*pair, n_resamples=50)
    for low, high in (
        found.pearson_interval,
        found.spearman_interval,
        found.pearson_bootstrap,
        found.spearman_bootstrap,
    ):
        assert -1 <= low <= high <= 1
    for r, (low, high) in (
        (found.pearson, found.pearson_interval),
        (found.spearman, found.spearman_interval),
    ):
        assert low - 1e-9 <= r <= high + 1e-9


def test_intervals_cover_the_true_correlation():
    rng = np.random.default_rng(0)
    true = 0.6
    true_rank = 6 / math.pi * math.asin(true / 2)  # of a normal distribution
    hits = np.zeros(4)
    for _ in range(300):
        x, noise = rng.normal(size=(2, 21))
        found = scores.correlation(x, true * x + math.sqrt(1 - true**2) * noise, n_resamples=200)
        intervals = (found.pearson_interval, found.pearson_bootstrap, found.spearman_interval, found.spearman_bootstrap)
        hits += [low < r < high for r, (low, high) in zip((true, true, true_rank, true_rank), intervals, strict=True)]
    fisher, pearson_bootstrap, bonett_wright, spearman_bootstrap = hits / 300
    assert 0.92 <= fisher <= 0.98
    assert 0.92 <= bonett_wright <= 0.99
    assert min(pearson_bootstrap, spearman_bootstrap) >= 0.87  # percentile intervals of few points are too narrow


def test_bootstrap_intervals_equal_scipy():
    rng = np.random.default_rng(0)
    x = rng.lognormal(sigma=2, size=30)  # far from normal, so that linear and rank correlation differ
    y = x + rng.normal(size=30)
    found = scores.correlation(x, y)
    for interval, statistic in (
        (found.pearson_bootstrap, lambda a, b: scipy.stats.pearsonr(a, b, axis=-1).statistic),
        (
            found.spearman_bootstrap,
            lambda a, b: np.vectorize(scipy.stats.spearmanr, signature="(n),(n)->(),()")(a, b)[0],
        ),
    ):
        theirs = scipy.stats.bootstrap(
            (x, y), statistic, paired=True, n_resamples=2000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        np.testing.assert_allclose(interval, theirs, atol=0.04)
    assert abs(found.pearson_bootstrap.low - found.spearman_bootstrap.low) > 0.1


def test_bootstraps_repeat_with_their_seed():
    x, y = np.random.default_rng(0).normal(size=(2, 15))
    assert scores.correlation(x, y, seed=1) == scores.correlation(x, y, seed=1)
    assert scores.correlation(x, y, seed=1) != scores.correlation(x, y, seed=2)


@pytest.mark.parametrize(
    ("x", "y"),
    [([], []), ([1, 2], [3, 4]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, 4], [0.1 + 0.2, 0.3, 0.3, 0.3])],
    ids=["none", "two", "constant x", "constant y"],
)
def test_there_is_no_correlation_of_too_little(x, y):
    assert scores.correlation(x, y) is None


def test_three_points_have_a_correlation_and_no_narrow_interval():
    found = scores.correlation([1, 2, 3], [1, 2, 2.5])
    assert found.pearson_interval == found.spearman_interval == (-1, 1)
    assert np.isfinite([*found.pearson_bootstrap, *found.spearman_bootstrap]).all()


def test_no_line_fits_a_single_abscissa():
    assert scores.fit_line([1, 1], [0, 1]) is None
    assert scores.fit_line([1], [1]) is None
    assert scores.fit_line([1, 2], [3, 5]) == pytest.approx((2, 1))


@pytest.mark.parametrize("function", [scores.correlation, scores.fit_line])
def test_bad_points_are_refused_in_one_line(function):
    with pytest.raises(ValueError, match=r"x has shape \(3,\) and y \(2,\)"):
        function([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="NaN or infinite"):
        function([1, 2, 3], [1, np.inf, 2])


def test_a_correlation_without_resamples_is_the_same_but_for_the_bootstrap():
    x, y = np.random.default_rng(0).normal(size=(2, 15))
    found, quick = scores.correlation(x, y, n_resamples=50), scores.correlation(x, y, n_resamples=0)
    assert quick == replace(found, pearson_bootstrap=None, spearman_bootstrap=None)
    assert scores.correlation([1, 2], [3, 4], n_resamples=0) is None
