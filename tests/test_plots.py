import goldens
import matplotlib.image
import numpy as np
import pytest

from robint_tf.manifold import boundary
from robint_tf.paper.figures import plots, plots_manifold, plots_toy
from robint_tf.store.results import summary


@pytest.fixture
def toy_results():
    """A study whose boundaries are vertical, Class 1 on the right."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal([0.5, 0], 0.05, (50, 2)), rng.normal([-0.5, 0], 0.05, (50, 2))])
    margin = (-boundary.grid(41)[:, 0]).reshape(41, 41)
    titles = ["Standard Training", "Adv. Training (Weak)", "Adv. Training (Strong)"]
    return {
        "networks": [
            {"title": t, "tilt_degrees": summary([0.0, 0.4]), "tilt_degrees_authors": a}
            for t, a in zip(titles, (40.0, 15.0, 4.0), strict=True)
        ],
        "plot": {"points": points, "panels": [{"margin": margin, "x_adv": points[:50] - [1.0, 0.3]}] * 3},
    }


def test_toy_figure_has_the_papers_panels(toy_results):
    figure = plots_toy.toy_boundaries(toy_results)
    assert [axes.get_title() for axes in figure.axes] == [
        "Dataset",
        "Standard Training",
        "Adv. Training (Weak)",
        "Adv. Training (Strong)",
    ]
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["Class 1", "Class 2", "Adv. Example"]
    notes = [axes.texts[0].get_text() for axes in figure.axes[1:]]
    assert notes[0] == "tilt 0.2 ± 0.3° (authors ≈ 40°)"


def test_toy_figure_colours_the_class_regions(toy_results, tmp_path):
    figure = plots_toy.toy_boundaries(toy_results)
    png, pdf = plots.save(figure, tmp_path / "toy")
    assert pdf.read_bytes().startswith(b"%PDF")
    picture = matplotlib.image.imread(png)
    height, width = picture.shape[:2]
    bottom_right = picture[height // 2 :, width // 2 :]
    low = bottom_right[int(0.9 * len(bottom_right))]  # under the points
    left, right = low[int(0.25 * len(low))], low[int(0.75 * len(low))]
    assert left[0] > left[2] + 0.1  # Class 2: reddish
    assert right[2] > right[0] + 0.1  # Class 1: bluish


def test_equal_figures_are_equal_files(toy_results, tmp_path):
    files = [plots.save(plots_toy.toy_boundaries(toy_results), tmp_path / name) for name in ("a", "b")]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("case", ["mixed_pos", "mixed_neg", "positive", "negative", "zero_min"])
def test_colour_scales_are_the_authors(case):
    golden = goldens.load("plots")
    found = plots_manifold.symmetric_range(golden[f"pixel_range_{case}/in_f64"])
    np.testing.assert_array_equal(found, golden[f"pixel_range_{case}/out_f64"])
