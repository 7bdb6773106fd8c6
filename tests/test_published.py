import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from robint_tf import published

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


def test_every_published_panel_has_the_papers_order():
    for panels in published.FIGURE_1_MODES.values():
        assert len(panels) == 4
        for test, *falling in panels.values():
            known = [mode for mode in falling if mode is not None]
            assert all(np.diff(known) < 0)
            assert test is None or test < min(known)
