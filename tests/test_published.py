from itertools import pairwise

import pytest
from scipy.stats import pearsonr, spearmanr

from robint_tf.paper import published, verdicts
from robint_tf.paper.figures import plots_manifold

KEYS = [
    (loss, norm, occlusion, attribution)
    for loss in ("xent", "cw")
    for norm in ("l2", "linf")
    for occlusion in ("remove", "keep")
    for attribution in ("gradient", "gradient_x_input")
]


@pytest.mark.parametrize(("loss", "norm", "occlusion", "attribution"), KEYS)
def test_the_scores_read_back_give_the_printed_correlations(loss, norm, occlusion, attribution):
    found = published.series(loss, norm)
    assert len(found.eps) == len(found.accuracy) == 21
    scores = found.scores[occlusion, attribution]
    for axis, x in (("strength", found.eps), ("accuracy", found.accuracy)):
        printed = published.printed_correlation(loss, norm, occlusion, attribution, axis)
        assert pearsonr(x, scores)[0] == pytest.approx(printed.linear, abs=0.003)
        assert spearmanr(x, scores)[0] == pytest.approx(printed.rank, abs=0.011)


def test_the_standard_network_is_the_same_in_every_series():
    first = {published.series(loss, norm).accuracy[0] for loss in ("xent", "cw") for norm in ("l2", "linf")}
    assert first == {0.7366}
    assert [published.series("xent", norm).eps[-1] for norm in ("l2", "linf")] == [1.6, 0.04]


PANELS = [(dataset, norm, loss) for dataset, panels in published.FIGURE_1_MODES.items() for norm, loss in panels]


def test_every_mode_that_is_not_hidden_lies_on_the_published_axis():
    hidden = []
    for dataset, norm, loss in PANELS:
        modes = published.FIGURE_1_MODES[dataset][norm, loss]
        assert len(modes) == 5
        right, _ = plots_manifold.AUTHORS_AXES[dataset]
        assert all(0 < mode < right for mode in modes if mode is not None)
        hidden += [(dataset, norm, loss, i) for i, mode in enumerate(modes) if mode is None]
    assert len(PANELS) == 12
    assert hidden == [
        *(("mnist", norm, loss, 0) for norm in ("l2", "linf") for loss in ("xent", "cw")),
        ("fashion_mnist", "linf", "xent", 2),
        ("cifar10", "l2", "xent", 0),
        ("cifar10", "linf", "xent", 0),
        ("cifar10", "linf", "cw", 0),
        ("cifar10", "linf", "cw", 1),
    ]


CLOSE = [("cifar10", "l2", "cw"), ("cifar10", "linf", "xent"), ("cifar10", "linf", "cw")]


@pytest.mark.parametrize("panel", PANELS, ids="-".join)
def test_the_order_of_a_published_panel_is_read_from_its_modes(panel, monkeypatch):
    """Any two neighbouring curves exchanged that are farther apart than the reading error, it would not be the paper's.

    The whole order is supported only where the whole order is seen.
    """
    dataset, norm, loss = panel
    modes = published.FIGURE_1_MODES[dataset][norm, loss]
    error = published.FIGURE_1_READING_ERROR[dataset]
    found = verdicts.authors_manifold_order(*panel)
    expected = "inconclusive" if panel in CLOSE else "holds as far as visible" if None in modes else "holds"
    assert found.outcome == expected
    assert ("hidden" in found.text) == (None in modes)
    assert ("within the reading error" in found.text) == (panel in CLOSE)
    known = [i for i, mode in enumerate(modes) if mode is not None]
    for i, j in pairwise(known):
        changed = list(modes)
        changed[i], changed[j] = modes[j], modes[i]
        close = i > 0 and abs(modes[i] - modes[j]) <= error
        if i == 0:  # the test images' curve belongs below the strongest network's, which comes last
            changed = [modes[-1] + 2 * error, *modes[1:]]
        monkeypatch.setitem(published.FIGURE_1_MODES[dataset], (norm, loss), tuple(changed))
        outcome = verdicts.authors_manifold_order(*panel).outcome
        assert outcome == ("inconclusive" if close else "fails")


def test_an_order_that_contradicts_somewhere_is_not_saved_by_what_is_unsure_elsewhere(monkeypatch):
    monkeypatch.setitem(published.FIGURE_1_MODES["cifar10"], ("l2", "cw"), (0.088, 0.1402, 0.1396, 0.11, 0.1176))
    assert verdicts.authors_manifold_order("cifar10", "l2", "cw").outcome == "fails"
