"""The claims, their rules, and what they say of the authors' own numbers."""

from collections import Counter

import numpy as np
import pytest

from robint_tf import claims, verdicts
from robint_tf.verdicts import Points, judge

CLAIMS = {claim.key: claim for claim in claims.all_claims()}


def test_every_claim_of_the_paper_is_there_once():
    assert len(CLAIMS) == len(claims.all_claims())
    kinds = Counter(key.split(".")[0] for key in CLAIMS)
    assert kinds == {
        "figure_1": 36,  # 12 panels: order of the modes, of the means, pairs
        "figure_3": 1,
        "accuracy": 4 + 16,  # appendix A.2; Figure 5
        "strength": 16,
        "criterion": 16,
        "gx_above_g": 8,
        "resistance": 8,
    }


@pytest.mark.parametrize(
    ("value", "interval", "sign", "verdict"),
    [
        (0.5, (0.2, 0.8), 1, "reproduced"),
        (0.5, (-0.1, 0.8), 1, "inconclusive"),
        (-0.5, (-0.8, -0.2), 1, "not reproduced"),
        (-0.5, (-0.8, -0.2), -1, "reproduced"),
        (0.5, (0.2, 0.8), -1, "not reproduced"),
        (0.5, None, 1, "reproduced"),
        (-0.5, None, 1, "not reproduced"),
        (0.0, None, 1, "inconclusive"),
        (0.2, (0.0, 0.4), 1, "inconclusive"),
    ],
)
def test_a_claim_is_decided_only_by_an_interval_that_excludes_the_contrary(value, interval, sign, verdict):
    assert judge(value, interval, sign=sign) == verdict


@pytest.mark.parametrize(
    ("value", "interval", "verdict"),
    [
        (0.737, (0.728, 0.745), "reproduced"),
        (0.737, (0.70, 0.77), "inconclusive"),
        (0.707, (0.698, 0.716), "not reproduced"),
        (0.80, (0.79, 0.81), "not reproduced"),
    ],
)
def test_accuracies_agree_within_a_point(value, interval, verdict):
    assert verdicts.accuracy(0.736, value, interval).verdict == verdict


def of_the_authors(prefix):
    return Counter(c.authors().verdict for key, c in CLAIMS.items() if key.startswith(prefix))


def test_what_the_authors_own_numbers_support():
    """Read off their figures: 7 of 8 ROAR series and no KAR series meet the criterion of section 3.2, and one KAR
    correlation has an interval from -0.20 to 0.62."""
    roar = [c.authors().verdict for k, c in CLAIMS.items() if k.startswith("criterion") and ".remove." in k]
    kar = [c.authors().verdict for k, c in CLAIMS.items() if k.startswith("criterion") and ".keep." in k]
    assert Counter(roar) == {"reproduced": 7, "not reproduced": 1}
    assert Counter(kar) == {"not reproduced": 8}
    assert of_the_authors("strength") == {"reproduced": 15, "inconclusive": 1}
    low, high = CLAIMS["strength.cw.linf.keep.gradient"].authors().interval
    assert (round(low, 2), round(high, 2)) == (-0.20, 0.62)
    assert of_the_authors("figure_1.order") == {"reproduced": 12}
    assert of_the_authors("gx_above_g") == {"reproduced": 8}
    assert CLAIMS["figure_3.order"].authors().verdict == "reproduced"


KEY = ("l2", "remove", "gradient")


def series(scores, *, errors=None, eps=None):
    eps = np.arange(len(scores)) / 10 if eps is None else np.array(eps)
    return {KEY: Points(eps, 0.7 - eps / 10, np.array(scores), None if errors is None else np.array(errors))}


def test_the_criterion_needs_errors_that_leave_a_gap():
    scores = [0.01, 0.03, 0.04, 0.05]
    assert verdicts.above_standard(KEY, series(scores)).verdict == "inconclusive"
    assert verdicts.above_standard(KEY, series(scores), exact=True).verdict == "reproduced"
    assert verdicts.above_standard(KEY, series(scores, errors=[0.001] * 4)).verdict == "reproduced"
    assert verdicts.above_standard(KEY, series(scores, errors=[0.02] * 4)).verdict == "inconclusive"
    assert verdicts.above_standard(KEY, series(scores[::-1], errors=[0.001] * 4)).verdict == "not reproduced"


@pytest.mark.parametrize(
    ("scores", "sign", "verdict"),
    [
        (np.linspace(0, 1, 12), 1, "reproduced"),
        (np.linspace(1, 0, 12), 1, "not reproduced"),
        (np.linspace(1, 0, 12), 0, "reproduced"),  # the exception: not positive
        ([0.0, 1.0, 0.0, 1.0], 1, "inconclusive"),
        ([0.0, 1.0], 1, "inconclusive"),
    ],
)
def test_correlations_with_strength(scores, sign, verdict):
    assert verdicts.correlation(KEY, "strength", sign, series(list(scores))).verdict == verdict


def test_norms_are_compared_at_equal_accuracy():
    rng = np.random.default_rng(0)
    accuracy = np.linspace(0.6, 0.7, 20)
    noise = rng.normal(0, 0.001, (2, 20))
    eps = np.linspace(0, 1, 20)
    points = {
        ("l2", "remove", "gradient"): Points(eps, accuracy, 0.5 - accuracy / 2 + 0.01 + noise[0], None),
        ("linf", "remove", "gradient"): Points(eps, accuracy + 0.02, 0.5 - (accuracy + 0.02) / 2 + noise[1], None),
    }
    found = verdicts.l2_above_linf("remove", "gradient", points)
    assert found.verdict == "reproduced"
    assert found.value == pytest.approx(0.01, abs=0.001)
    apart = {**points, ("linf", "remove", "gradient"): Points(eps, accuracy + 0.5, eps, None)}
    assert verdicts.l2_above_linf("remove", "gradient", apart).verdict == "inconclusive"


def panel(shares, probability=0.99, holds=True):
    rows = [{"name": str(i), "share": s, "n": 100, "interval": [s - 0.1, s + 0.1]} for i, s in enumerate(shares)]
    order = {"holds": holds, "bootstrap_probability": probability}
    order |= {"means_hold": holds, "means_bootstrap_probability": probability}
    return {"problems": [], "panels": [{"norm": "l2", "loss": "xent", "order": order, "nearer_than_standard": rows}]}


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [([0.7, 0.8, 0.9], "reproduced"), ([0.55, 0.8, 0.9], "inconclusive"), ([0.3, 0.8, 0.9], "not reproduced")],
)
def test_every_robust_network_must_be_nearer(shares, verdict):
    assert verdicts.manifold_nearer("l2", "xent", panel(shares)).verdict == verdict


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(0.96, "reproduced"), (0.6, "inconclusive"), (0.02, "not reproduced"), (None, "inconclusive")],
)
def test_the_order_of_modes_is_judged_by_its_bootstrap(probability, verdict):
    for of in ("modes", "means"):
        found = verdicts.manifold_order("l2", "xent", panel([0.7] * 3, probability), of=of)
        assert found.verdict == verdict


def test_an_invalid_vae_gan_decides_nothing():
    invalid = {**panel([0.7] * 3), "problems": ["collapsed"]}
    for rule in (verdicts.manifold_order, verdicts.manifold_nearer):
        found = rule("l2", "xent", invalid)
        assert found.verdict == "inconclusive"
        assert "collapsed" in found.text


@pytest.mark.parametrize(("n_train", "verdict"), [(None, "reproduced"), (1000, "inconclusive")])
def test_a_network_trained_on_a_part_decides_nothing(n_train, verdict):
    card = {
        "spec": {"n_train": n_train, "attack": None},
        "clean_accuracy": {"value": 0.986, "interval_95": [0.984, 0.988]},
    }
    assert CLAIMS["accuracy.mnist"].evaluate(card).verdict == verdict


def test_a_part_of_the_grid_or_of_the_panels_decides_its_part_only():
    one = {**panel([0.7] * 3)}
    assert CLAIMS["figure_1.nearer.mnist.l2.xent"].evaluate(one).verdict == "reproduced"
    assert CLAIMS["figure_1.nearer.mnist.linf.xent"].evaluate(one).verdict == "not run"
    assert CLAIMS["figure_1.order.mnist.linf.xent"].evaluate(one).verdict == "not run"
    other = series([0.01, 0.03, 0.04])
    for rule in (
        lambda: verdicts.correlation(("linf", "remove", "gradient"), "strength", 1, other),
        lambda: verdicts.above_standard(("linf", "remove", "gradient"), other),
        lambda: verdicts.gx_above_g("linf", "remove", other),
        lambda: verdicts.l2_above_linf("remove", "gradient", other),
    ):
        assert rule().verdict == "not run"
