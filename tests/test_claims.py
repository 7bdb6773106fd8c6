"""The claims, their rules, and what they say of the authors' own numbers."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from robint_tf.interpretability import scores
from robint_tf.intervals import wilson
from robint_tf.paper import claims, protocols, published, verdicts
from robint_tf.paper import verdicts_interpretability as grid
from robint_tf.paper.beyond import reference
from robint_tf.paper.verdicts import sign_rule
from robint_tf.paper.verdicts_interpretability import Points
from robint_tf.store import results

FIGURES = Path(__file__).parents[1] / "figures"
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
    ("value", "interval", "sign", "outcome"),
    [
        (0.5, (0.2, 0.8), 1, "holds"),
        (0.5, (-0.1, 0.8), 1, "inconclusive"),
        (-0.5, (-0.8, -0.2), 1, "fails"),
        (-0.5, (-0.8, -0.2), -1, "holds"),
        (0.5, (0.2, 0.8), -1, "fails"),
        (0.5, None, 1, "holds"),
        (-0.5, None, 1, "fails"),
        (0.0, None, 1, "inconclusive"),
        (0.2, (0.0, 0.4), 1, "inconclusive"),
    ],
)
def test_a_claim_is_decided_only_by_an_interval_that_excludes_the_contrary(value, interval, sign, outcome):
    assert sign_rule(value, interval, sign=sign) == outcome


@pytest.mark.parametrize(
    ("value", "interval", "outcome"),
    [
        (0.737, (0.728, 0.745), "holds"),
        (0.737, (0.70, 0.77), "inconclusive"),
        (0.707, (0.698, 0.716), "fails"),
        (0.80, (0.79, 0.81), "fails"),
    ],
)
def test_accuracies_agree_within_a_point(value, interval, outcome):
    assert verdicts.accuracy(0.736, value, interval).outcome == outcome


def of_the_authors(prefix):
    return Counter(c.authors().outcome for key, c in CLAIMS.items() if key.startswith(prefix) and c.authors)


def test_what_the_authors_own_numbers_support():
    """Read off their figures: 7 of 8 ROAR series and no KAR series meet the criterion of section 3.2, and one KAR
    correlation has an interval from -0.20 to 0.62."""
    roar = [c.authors().outcome for k, c in CLAIMS.items() if k.startswith("criterion") and ".remove." in k]
    kar = [c.authors().outcome for k, c in CLAIMS.items() if k.startswith("criterion") and ".keep." in k]
    assert Counter(roar) == {"holds": 7, "fails": 1}
    assert Counter(kar) == {"fails": 8}
    assert of_the_authors("strength") == {"holds": 15, "inconclusive": 1}
    low, high = CLAIMS["strength.cw.linf.keep.gradient"].authors().interval
    assert (round(low, 2), round(high, 2)) == (-0.20, 0.62)
    read = {"holds": 2, "holds as far as visible": 6, "inconclusive": 3}
    assert of_the_authors("figure_1.order") == read  # one of the 12 panels shows another's networks
    assert of_the_authors("resistance") == {"holds": 4, "inconclusive": 4}
    assert of_the_authors("gx_above_g") == {"holds": 8}
    assert CLAIMS["figure_3.order"].authors().outcome == "holds"


KEY = ("l2", "remove", "gradient")


def series(values, *, errors=None, key=KEY, n_retrainings=3):
    eps = np.arange(len(values)) / 10
    errors = None if errors is None else np.array(errors)
    return {key: Points(eps, 0.7 - eps / 10, np.array(values), errors, n_retrainings)}


def test_the_criterion_needs_errors_that_leave_a_gap():
    values = [0.01, 0.03, 0.04, 0.05]
    assert grid.above_standard(KEY, series(values)).outcome == "inconclusive"
    assert grid.above_standard(KEY, series(values), exact=True).outcome == "holds"
    assert grid.above_standard(KEY, series(values, errors=[0.001] * 4)).outcome == "holds"
    assert grid.above_standard(KEY, series(values, errors=[0.02] * 4)).outcome == "inconclusive"
    assert grid.above_standard(KEY, series(values[::-1], errors=[0.001] * 4)).outcome == "fails"


def test_errors_from_few_retrainings_reach_further_than_a_normal_distributions():
    """The 97.5% point of Student's t is 4.303 with 2 degrees of freedom, and 2.306 with the 8 of four networks."""
    found = grid.above_standard(KEY, series([0.0, 1.0, 1.0, 1.0], errors=[0.1] * 4))
    assert found.interval == pytest.approx((1 - 2 * 0.2306, 1 + 2 * 0.2306), abs=1e-4)
    found = grid.above_standard(KEY, series([0.0, 1.0, 1.0, 1.0], errors=[0.1, 0.1, 0.2, 0.3], n_retrainings=2))
    half = 2.7764 * np.sqrt((0.01 + 0.01 + 0.04 + 0.09) / 4)  # 4 degrees of freedom
    assert found.interval == pytest.approx((1 - 2 * half, 1 + 2 * half), abs=1e-4)


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (np.linspace(0, 1, 12), "holds"),
        (np.linspace(1, 0, 12), "fails"),
        ([0.0, 1.0, 0.0, 1.0], "inconclusive"),
        ([0.0, 1.0], "inconclusive"),
    ],
)
def test_correlations_with_strength(values, outcome):
    assert grid.correlation(KEY, "strength", series(list(values))).outcome == outcome


EXCEPTED, *OTHERS = [("l2", "keep", "gradient"), *((n, "keep", "gradient_x_input") for n in ("l2", "linf"))]
OTHERS.append(("linf", "keep", "gradient"))


def kar(excepted, *others, n=41):
    """Four KAR series with these linear correlations with eps, to the last digit."""
    eps = np.arange(n) / 10
    x = (eps - eps.mean()) / np.linalg.norm(eps - eps.mean())
    found = {}
    for i, (key, r) in enumerate(zip([EXCEPTED, *OTHERS], [excepted, *others], strict=True)):
        noise = np.random.default_rng(i).normal(size=n)
        noise -= noise.mean() + (noise @ x) * x
        found |= series(r * x + np.sqrt(1 - r**2) * noise / np.linalg.norm(noise), key=key)
    return found


@pytest.mark.parametrize(
    ("correlations", "outcome"),
    [
        ((0.0, 0.8, 0.8, 0.8), "holds"),  # no correlation is no positive one
        ((-0.5, 0.8, 0.6, 0.6), "holds"),
        ((-0.8, 0.8, 0.8, 0.25), "holds"),  # one of the others by itself need not be certain
        ((-0.9, -0.8, -0.7, -0.9), "fails"),  # four negative series have no exception
        ((-0.9, -0.3, -0.2, -0.3), "inconclusive"),
        ((-0.9, 0.1, 0.1, 0.1), "inconclusive"),  # no trend to be excepted from
        ((0.5, 0.9, 0.9, 0.9), "fails"),  # lower than the others, and positive all the same
        ((0.2, 0.5, 0.5, 0.5), "inconclusive"),
        ((0.0, 0.9, 0.9, -0.6), "fails"),  # another series is rather the exception
        ((0.0, 0.9, 0.9, 0.1), "inconclusive"),
    ],
)
def test_an_exception_needs_the_contrast(correlations, outcome):
    found = grid.exception(EXCEPTED, "strength", kar(*correlations))
    assert found.outcome == outcome
    assert found.value == pytest.approx(correlations[0])
    low, high = scores.fisher_interval(correlations[0], 41)
    assert found.interval == pytest.approx((low, high))


def test_an_exception_from_a_falling_trend_is_the_mirror_image():
    falling = {key: p._replace(accuracy=p.eps) for key, p in kar(0.0, -0.8, -0.8, -0.8).items()}
    assert grid.exception(EXCEPTED, "accuracy", falling).outcome == "holds"
    falling = {key: p._replace(accuracy=p.eps) for key, p in kar(0.6, 0.8, 0.8, 0.8).items()}
    found = grid.exception(EXCEPTED, "accuracy", falling)
    assert found.outcome == "fails"
    assert found.interval == pytest.approx(scores.fisher_interval(0.6, 41))


def test_an_exception_needs_every_other_series_and_enough_networks():
    part = kar(0.0, 0.8, 0.8, 0.8)
    del part[OTHERS[0]]
    assert grid.exception(EXCEPTED, "strength", part).outcome == "inconclusive"
    assert grid.exception(EXCEPTED, "strength", kar(0.0, 0.8, 0.8, 0.8, n=4)).outcome == "inconclusive"
    assert grid.exception(EXCEPTED, "strength", {}).outcome == "not run"
    constant = {**kar(0.0, 0.8, 0.8, 0.8), **series([0.1] * 41, key=OTHERS[1])}
    assert grid.exception(EXCEPTED, "strength", constant).outcome == "inconclusive"
    assert grid.exception(EXCEPTED, "strength", kar(-1.0, 1.0, 1.0, 1.0)).outcome == "holds"


def test_the_committed_quick_run_does_not_confirm_the_exception_by_falling_with_the_others():
    found = results.read(FIGURES / "section_3_2_xent.json")
    claim = CLAIMS["strength.xent.l2.keep.gradient"]
    assert claim.evaluate(found).outcome == "fails"
    assert claim.authors().outcome == "holds"


def test_norms_are_compared_at_equal_accuracy():
    rng = np.random.default_rng(0)
    accuracy = np.linspace(0.6, 0.7, 20)
    noise = rng.normal(0, 0.001, (2, 20))
    eps = np.linspace(0, 1, 20)
    points = {
        ("l2", "remove", "gradient"): Points(eps, accuracy, 0.5 - accuracy / 2 + 0.01 + noise[0], None),
        ("linf", "remove", "gradient"): Points(eps, accuracy + 0.02, 0.5 - (accuracy + 0.02) / 2 + noise[1], None),
    }
    found = grid.l2_above_linf("remove", "gradient", points)
    assert found.outcome == "holds"
    assert found.value == pytest.approx(0.01, abs=0.001)
    standard = points[KEY]._replace(score=np.append(points[KEY].score[0] + 1, points[KEY].score[1:]))
    assert grid.l2_above_linf("remove", "gradient", {**points, KEY: standard}) == found  # which is of neither norm
    apart = {**points, ("linf", "remove", "gradient"): Points(eps, accuracy + 0.5, eps, None)}
    assert grid.l2_above_linf("remove", "gradient", apart).outcome == "inconclusive"


def test_the_gap_of_two_lines_is_covered_as_often_as_its_interval_says():
    """Six networks of each norm, the standard one among them, of unlike scatter; parallel lines, so no gap."""
    rng, eps = np.random.default_rng(1), np.linspace(0, 1, 6)
    accuracy = {"l2": 0.7 - eps / 10, "linf": 0.7 - eps / 4}
    outcomes = Counter()
    for _ in range(800):
        common = rng.normal(0, 0.002)
        points = {}
        for norm, sd in (("l2", 0.001), ("linf", 0.002)):
            score = 0.5 - accuracy[norm] / 2 + np.append(common, rng.normal(0, sd, 5))
            points[norm, "remove", "gradient"] = Points(eps, accuracy[norm], score, None)
        outcomes[grid.l2_above_linf("remove", "gradient", points).outcome] += 1
    assert 0.03 <= 1 - outcomes["inconclusive"] / 800 <= 0.07
    few = {key: Points(p.eps[:3], p.accuracy[:3], p.score[:3], None) for key, p in points.items()}
    assert "too few robust networks" in grid.l2_above_linf("remove", "gradient", few).text


def panel(shares, probability=0.99, holds=True, trained_with="xent", reversal=0.0):
    rows = [{"name": str(i), "share": s, "n": 100, "interval": [s - 0.1, s + 0.1]} for i, s in enumerate(shares)]
    order = {"holds": holds, "bootstrap_probability": probability}
    order |= {"means_hold": holds, "means_bootstrap_probability": probability}
    if reversal is not None:  # files of before 0.2.0 lack it
        pairs = {"Standard nearer than L2 1 XEnt": reversal, "B nearer than A": 0.1, "C nearer than B": 0.1}
        order |= {"pairs_reversed": pairs, "means_pairs_reversed": pairs}
    of = {"norm": "l2", "loss": "xent", "trained_with": trained_with}
    panels = [{**of, "order": order, "nearer_than_standard": rows}]
    return {"figure": "manifold_distances", "dataset": "mnist", "problems": [], "panels": panels}


@pytest.mark.parametrize(
    ("shares", "outcome"),
    [
        ([0.7, 0.8, 0.9], "holds"),
        ([0.55, 0.8, 0.9], "inconclusive"),
        ([0.3, 0.8, 0.9], "fails"),
        ([0.39, 0.8, 0.9], "inconclusive"),  # Wilson's 95% interval ends at 0.488, the one of three networks at 0.511
    ],
)
def test_every_robust_network_must_be_nearer(shares, outcome):
    assert verdicts.manifold_nearer("l2", "xent", panel(shares)).outcome == outcome


@pytest.mark.parametrize(
    ("probability", "reversal", "outcome"),
    [
        (0.96, 0.0, "holds"),
        (0.6, 0.3, "inconclusive"),
        (0.02, 0.6, "inconclusive"),
        (0.02, 0.99, "fails"),
        (None, None, "inconclusive"),
        (0.96, None, "holds"),
        (0.02, None, "inconclusive"),
    ],
)
def test_the_order_of_modes_is_judged_by_its_bootstrap(probability, reversal, outcome):
    for of in ("modes", "means"):
        found = verdicts.manifold_order("l2", "xent", panel([0.7] * 3, probability, reversal=reversal), of=of)
        assert found.outcome == outcome
        assert ("Standard nearer than L2 1 XEnt: 0.99" in found.text) == (reversal == 0.99)
        assert ("not in the file" in found.text) == (probability is not None and reversal is None)


@pytest.mark.parametrize(
    ("rising", "reversals", "decided"),
    [
        (1.0, (0, 0, 0, 0), True),
        (0.95, None, True),
        (0.949, (0.05, 0, 0, 0), None),
        (0.008, (0.5, 0.5, 0.5, 0.5), None),  # 1 of 120 orders, where nothing can be told apart
        (0.0, (0.9874, 0.9, 0.9, 0.9), None),
        (0.0, (0.1, 0.9875, 0.1, 0.1), False),
        (0.02, (0.96,), False),  # a single pair needs no correction
        (0.0, None, None),  # a file that does not tell
    ],
)
def test_an_order_is_decided_by_itself_and_its_contrary_by_a_pair(rising, reversals, decided):
    assert verdicts.order_decided(rising, reversals) is decided


def test_three_networks_that_are_not_nearer_seldom_fail():
    """Exactly: how often one of them is nearer in so few of 400 pairs that the rule fails, where half is the truth."""
    alone = 0.0
    for hits in range(150, 201):
        found = panel([0.5] * 3)
        rows = [{"name": "", "share": h / 400, "n": 400, "interval": list(wilson(h, 400))} for h in (hits, 200, 200)]
        found["panels"][0]["nearer_than_standard"] = rows
        if verdicts.manifold_nearer("l2", "xent", found).outcome == "fails":
            alone += stats.binom.pmf(hits, 400, 0.5)
    assert 0.01 < 1 - (1 - alone) ** 3 <= 0.05


def test_an_invalid_vae_gan_decides_nothing():
    invalid = {**panel([0.7] * 3), "problems": ["collapsed"]}
    for rule in (verdicts.manifold_order, verdicts.manifold_nearer):
        found = rule("l2", "xent", invalid)
        assert found.outcome == "inconclusive"
        assert "collapsed" in found.text


def test_one_set_of_networks_counts_once():
    """In the authors' variant, Fashion-MNIST's L2 XEnt panel shows the CW networks."""
    found = results.read(FIGURES / "section_2_1_fashion_mnist_xent.json")
    for kind in ("order", "means", "nearer"):
        swapped, own = (CLAIMS[f"figure_1.{kind}.fashion_mnist.l2.{loss}"] for loss in ("xent", "cw"))
        assert swapped.evaluate(found).outcome == "not run"
        assert "count under CW" in swapped.evaluate(found).text
        assert own.evaluate(found).outcome != "not run"
        assert swapped.authors is None
    swapped = verdicts.manifold_nearer("l2", "xent", panel([0.7] * 3, trained_with="cw"))
    assert swapped.outcome == "not run"


FULL = {"kind": "Training", "epochs": 5, "batch_size": 100, "seed": 7}


def card(value=0.986, verified=True, **spec):
    spec = {"kind": "ClassifierSpec", "dataset": "mnist", "n_train": None, "attack": None, "training": FULL, **spec}
    return {
        "spec": spec,
        "test_data": {"sha256": "0" * 64},
        "test_data_verified": verified,
        "test_images_verified": 10_000 if verified else 1000,
        "clean_accuracy": {"value": value, "n": 10_000, "interval_95": [value - 0.002, value + 0.002]},
    }


def cards(values, **options):
    """One of each seed."""
    return [card(v, training={**FULL, "seed": i}, **options) for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "outcome", "text"),
    [
        ([0.987, 0.985, 0.988], "holds", "98.67%, stated 98.6%; mean of 3 seeds, from 98.50% to 98.80%"),
        ([0.97, 0.971, 0.9705], "fails", "mean of 3 seeds"),
        ([0.98, 0.97, 0.99], "inconclusive", "mean of 3 seeds"),
        ([0.9, 0.9], "inconclusive", "2 seeds are too few, 3 are needed"),
        ([0.9], "inconclusive", "one network: no interval over seeds, 3 are needed"),
    ],
)
def test_an_accuracy_is_judged_over_seeds(values, outcome, text):
    found = CLAIMS["accuracy.mnist"].evaluate(*cards(values))
    assert found.outcome == outcome
    assert text in found.text
    assert found.value == pytest.approx(np.mean(values))
    if len(values) > 2:
        half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)  # Student's t, 2 degrees of freedom
        assert found.interval == pytest.approx((np.mean(values) - half, min(np.mean(values) + half, 1.0)))


def test_the_authors_own_code_does_not_fail_where_it_is_run_again():
    """Their last ten epochs, each of which could have been the last, as a network, and as networks of ten seeds."""
    claim, last = CLAIMS["accuracy.cifar10"], reference.standard_training().all[-10:]
    assert {claim.evaluate(card(value, dataset="cifar10")).outcome for value in last} == {"inconclusive"}
    assert claim.evaluate(*cards(last, dataset="cifar10")).outcome != "fails"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (card(training=FULL), "seed 7 is counted already"),
        (card(training={**FULL, "seed": 1, "epochs": 6}), "its spec differ from"),
        ({**card(training={**FULL, "seed": 1}), "mathematics": 2}, "its mathematics differ from"),
        ({**card(training={**FULL, "seed": 1}), "test_data": {"sha256": "1"}}, "its test_data differ from"),
    ],
)
def test_only_other_seeds_of_one_recipe_are_taken_together(other, message):
    with pytest.raises(ValueError, match=message):
        CLAIMS["accuracy.mnist"].evaluate(card(), other)


def test_data_that_are_not_verified_decide_nothing_and_it_is_said():
    """Of CIFAR-10's test images 9,000 may be JPEG copies."""
    known, copies, silent = (card(training=FULL, verified=v) | provenance() for v in (True, False, None))
    assert [protocols.standing(c) for c in (known, copies, silent)] == ["decides", "data", "data"]
    assert protocols.scale(copies) == "full (data not verified)"
    told = CLAIMS["accuracy.mnist"].evaluate(copies).text
    assert told.endswith("; 9,000 of 10,000 test images are not known to be the published ones")
    assert "published" not in CLAIMS["accuracy.mnist"].evaluate(known).text
    del silent["test_data_verified"], silent["test_images_verified"]  # as release 0.1.0 wrote cards
    assert not protocols.decides(silent)
    assert "the file does not say whether" in CLAIMS["accuracy.mnist"].evaluate(silent).text
    section = panel([0.7] * 3) | provenance("paper") | {"test_data": {}}
    assert protocols.standing(section | {"test_data_verified": False}) == "data"
    assert protocols.standing(section | {"test_data_verified": True}) == "networks"
    assert protocols.verdict("fails", "data") == "differs on these data"


def test_the_variant_is_said_where_it_is_not_the_authors():
    found = panel([0.7] * 3) | provenance("paper")
    found["provenance"]["variant"] = "corrected"
    assert protocols.scale(found) == "paper (variant corrected)"


def test_a_network_trained_on_attacked_images_decides_nothing():
    found = CLAIMS["accuracy.mnist"].evaluate(*cards([0.986] * 3, attack={"eps": 1}))
    assert (found.outcome, found.text) == ("inconclusive", "the network was trained on attacked images")


def toy(values):
    return {"figure": "section_2_2", "networks": [{"accuracy": {"values": values}}]}


def test_the_toy_accuracy_has_an_interval_of_the_mean_and_not_the_range():
    values = [0.98, 1.0, 1.0, 0.99]
    found = CLAIMS["accuracy.toy"].evaluate(toy(values))
    half = 3.1824 * np.std(values, ddof=1) / 2  # Student's t, 3 degrees of freedom
    assert found.value == pytest.approx(0.9925)
    assert found.interval == pytest.approx((0.9925 - half, 1.0), abs=1e-5)
    assert found.outcome == "inconclusive"
    assert "from 98.00% to 100.00%" in found.text
    assert CLAIMS["accuracy.toy"].evaluate(toy([1.0])).outcome == "inconclusive"
    assert CLAIMS["accuracy.toy"].evaluate(toy([1.0] * 20)).outcome == "holds"
    assert CLAIMS["accuracy.toy"].evaluate(toy([0.9, 0.91, 0.9])).outcome == "fails"


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("accuracy.mnist", card(dataset="cifar10"), "dataset is cifar10, not mnist"),
        ("figure_1.order.cifar10.l2.xent", panel([0.7] * 3), "dataset is mnist, not cifar10"),
        ("figure_3.order", panel([0.7] * 3), "figure is manifold_distances, not section_2_2"),
        (
            "strength.cw.l2.remove.gradient",
            {"figure": "interpretability", "loss": "xent", "axis": "strength"},
            "loss is xent",
        ),
        (
            "accuracy.cw.l2.remove.gradient",
            {"figure": "interpretability", "loss": "cw", "axis": "strength"},
            "axis is strength",
        ),
    ],
)
def test_a_renamed_file_decides_nothing_about_what_it_is_named_after(key, content, message):
    with pytest.raises(ValueError, match=message):
        CLAIMS[key].evaluate(content)


def test_one_rule_judges_a_group_and_is_named():
    for group in {c.group for c in CLAIMS.values()}:
        members = [c for c in CLAIMS.values() if c.group == group]
        assert len({c.rule for c in members}) == len({c.question for c in members}) == 1
        assert len({c.authors_rule or c.rule for c in members if c.authors}) <= 1
    modes, means = (CLAIMS[f"figure_1.{kind}.mnist.l2.xent"] for kind in ("order", "means"))
    assert modes.rule == means.rule == claims.ORDER_RULE
    assert modes.authors_rule == claims.MODES_READ
    assert CLAIMS["strength.xent.l2.remove.gradient"].authors_rule == ""  # the same as for ours
    assert CLAIMS["criterion.xent.l2.remove.gradient"].authors_rule == claims.POINTS


def test_what_section_3_2_asks_is_no_assertion_of_the_authors():
    asked = {key for key, claim in CLAIMS.items() if claim.question}
    assert asked == {key for key in CLAIMS if key.startswith("criterion")}
    assert protocols.verdict("fails", "authors", question=True) == "no"
    assert protocols.verdict("holds", "scale", question=True) == "yes at this scale"


def provenance(preset=None):
    return {"provenance": {"command": "robint"} | ({} if preset is None else {"preset": preset})}


@pytest.mark.parametrize(
    ("changes", "decided", "scale"),
    [
        ({}, True, "full"),
        ({"n_train": 1000}, False, "full (changed)"),
        ({"training": {**FULL, "epochs": 1}}, False, "full (changed)"),
        ({"training": {**FULL, "batch_size": 50}}, False, "full (changed)"),
        ({"training": {**FULL, "learning_rate": 0.01}}, False, "full (changed)"),
        ({"training": {**FULL, "shuffle": True}}, False, "full (changed)"),
        ({"architecture": "custom-0"}, False, "full (changed)"),
        ({"variant": "paper"}, True, "full"),
    ],
)
def test_only_the_authors_training_decides_about_an_accuracy(changes, decided, scale):
    found = card(training=FULL) | provenance()
    found["spec"] |= changes
    assert protocols.decides(found) is decided
    assert protocols.scale(found) == scale


def test_a_full_training_measured_on_a_part_of_the_test_images_decides_nothing():
    found = card(training=FULL) | provenance()
    found["clean_accuracy"]["n"] = 1000
    assert not protocols.decides(found)


def grid_results(**changes):
    networks = [{"norm": None, "eps": 0.0}]
    networks += [{"norm": "l2", "eps": e} for e in published.series("xent", "l2").eps[1:]]
    of = {"figure": "interpretability", "loss": "xent", "networks": networks}
    return of | {"fractions": [0.1, 0.3, 0.5, 0.7, 0.9], "n_seeds": 3} | changes


@pytest.mark.parametrize(
    ("preset", "changes", "decided", "scale"),
    [
        ("paper", {}, True, "paper"),
        ("quick", {}, False, "quick"),
        ("demo", {}, False, "demo"),
        ("paper", {"n_seeds": 5}, True, "paper"),
        ("paper", {"n_seeds": 1}, False, "paper (changed)"),
        ("paper", {"fractions": [0.5]}, False, "paper (changed)"),
        ("paper", {"networks": grid_results()["networks"][:5]}, False, "paper (changed)"),
    ],
)
def test_only_the_whole_grid_decides(preset, changes, decided, scale):
    found = grid_results(**changes) | provenance(preset)
    assert protocols.decides(found) is decided
    assert protocols.scale(found) == scale


def test_another_scale_agrees_or_differs_and_reproduces_nothing():
    words = {outcome: protocols.verdict(outcome, "scale") for outcome in ("holds", "fails", "inconclusive", "not run")}
    assert list(words.values()) == ["agrees at this scale", "differs at this scale", "inconclusive", "not run"]
    assert set(words.values()) <= set(protocols.VERDICTS)


def test_one_network_of_each_kind_decides_nothing_about_training():
    """Section 2.1's intervals are over images: at whatever scale, what they find is of these networks."""
    found = panel([0.7] * 3) | provenance("paper")
    assert protocols.standing(found) == "networks"
    assert not protocols.decides(found)
    assert protocols.scale(found) == "paper"
    assert protocols.standing(panel([0.7] * 3) | provenance("quick")) == "scale"
    words = [protocols.verdict(outcome, "networks") for outcome in ("holds", "fails", "inconclusive")]
    assert words == ["agrees for these networks", "differs for these networks", "inconclusive"]
    for key in ("order", "means", "nearer"):
        assert "how trainings differ" in CLAIMS[f"figure_1.{key}.mnist.l2.xent"].rule


def test_a_part_of_the_grid_or_of_the_panels_decides_its_part_only():
    one = {**panel([0.7] * 3)}
    assert CLAIMS["figure_1.nearer.mnist.l2.xent"].evaluate(one).outcome == "holds"
    assert CLAIMS["figure_1.nearer.mnist.linf.xent"].evaluate(one).outcome == "not run"
    assert CLAIMS["figure_1.order.mnist.linf.xent"].evaluate(one).outcome == "not run"
    other = series([0.01, 0.03, 0.04])
    for rule in (
        lambda: grid.correlation(("linf", "remove", "gradient"), "strength", other),
        lambda: grid.above_standard(("linf", "remove", "gradient"), other),
        lambda: grid.gx_above_g("linf", "remove", other),
        lambda: grid.l2_above_linf("remove", "gradient", other),
    ):
        assert rule().outcome == "not run"


def test_intervals_of_differences_equal_published_examples():
    """Zou (2007), as his article works them: two samples, and one sample with a common quantity."""
    assert grid.difference_interval(0.49, 0.36, (145, 87)) == pytest.approx((-0.087, 0.359), abs=5e-4)
    found = grid.difference_interval(0.396, 0.179, (66, 66), between=0.088)
    assert found == pytest.approx((-0.093, 0.517), abs=5e-4)


@pytest.mark.parametrize(("first", "second"), [(1.0, 0.3), (-1.0, 1.0), (1.0, 1.0)])
def test_differences_of_exact_lines_have_intervals(first, second):
    low, high = grid.difference_interval(first, second, (10, 10), between=0.3)
    assert low <= first - second <= high
    assert grid.difference_interval(0.1, 0.9, (3, 3)).high > 0  # three points tell nothing


def test_intervals_of_differences_cover_the_true_difference():
    rng = np.random.default_rng(0)
    true = 0.6 / np.sqrt(0.6**2 + 0.5**2 + 0.6**2)
    hits = 0
    for _ in range(500):
        x, common, one, other = rng.normal(size=(4, 21))
        y = 0.6 * x + 0.5 * common + 0.6 * one
        z = -0.6 * x + 0.5 * common + 0.6 * other
        r = [scores.correlation(a, b, n_resamples=0).pearson for a, b in ((x, y), (x, z), (y, z))]
        low, high = grid.difference_interval(r[0], r[1], (21, 21), between=r[2])
        hits += low < 2 * true < high
    assert 0.91 <= hits / 500 <= 0.98
