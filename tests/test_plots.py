import itertools
from pathlib import Path

import goldens
import matplotlib.image
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from robint_tf.manifold import boundary
from robint_tf.paper import published
from robint_tf.paper.figures import looks, plots, plots_manifold, plots_toy
from robint_tf.paper.figures.looks import Look
from robint_tf.store import results
from robint_tf.store.results import summary
from robint_tf.study.packing import packed
from robint_tf.study.retraining import Retrained


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


ROOT = Path(__file__).parents[1]
COMMITTED = sorted((ROOT / "figures").glob("section_*.json"))


def _drawn(path, look):
    content = results.read(path)
    return look.draw(plots.FIGURES[content["figure"]], content)


@pytest.mark.parametrize("name", ["section_2_1_mnist_xent", "section_2_2", "section_2_2_sketch", "section_3_2_xent"])
def test_a_figure_for_a_paper_has_its_width_and_no_report_text(robint, tmp_path, name):
    options = ("--plain", "--width", "3.25", "--format", "png", "--format", "svg", "--out", tmp_path)
    robint("redraw", *map(str, options), str(ROOT / "figures" / f"{name}.json"))
    png, svg = (tmp_path / f"{name}.{kind}" for kind in ("png", "svg"))
    assert matplotlib.image.imread(png).shape[1] == 3.25 * 300
    assert f'width="{3.25 * 72:g}pt"' in svg.read_text()
    assert not list(tmp_path.glob("*.pdf"))
    figure = _drawn(ROOT / "figures" / f"{name}.json", Look(plain=True, width=3.25))
    assert figure.get_suptitle() == figure.get_supxlabel() == ""
    assert all("\n" not in axes.get_title() for axes in figure.axes)
    assert figure.get_figwidth() == 3.25


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_plain_figure_holds_what_is_drawn_inside_its_edges(path):
    """Saved at its exact size, whatever reached beyond would be cut off."""
    figure = _drawn(path, Look(plain=True, width=3.25))
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    assert drawn.x0 > -0.03
    assert drawn.x1 < 3.25 + 0.03


def test_without_annotations_only_the_data_is_told():
    curves = ROOT / "figures" / "section_2_1_mnist_xent.json"
    scores = ROOT / "figures" / "section_3_2_xent.json"
    told = {
        look.annotations: [
            text.get_text()
            for path in (curves, scores)
            for axes in _drawn(path, look).axes
            for text in [*axes.get_legend().get_texts(), axes.get_legend().get_title(), axes.xaxis.label]
        ]
        for look in (Look(), Look(annotations=False))
    }
    assert {"mode, authors", "hollow: the authors' networks"} < set(told[True])
    assert not {"mode, authors", "hollow: the authors' networks"} & set(told[False])
    assert not any("(" in text or "Corr" in text for text in told[False])
    toy = _drawn(ROOT / "figures" / "section_2_2.json", Look(annotations=False))
    assert not any(len(axes.texts) for axes in toy.axes)


@pytest.mark.parametrize("name", ["section_2_1_mnist_xent", "section_2_1_cifar10_xent", "section_3_2_xent"])
def test_lines_are_told_apart_by_dash_and_by_colour(name):
    for axes in _drawn(ROOT / "figures" / f"{name}.json", looks.REPORT).axes:
        handles = [h for h in axes.get_legend().legend_handles if h.get_linestyle() != "None"]
        assert len(handles) >= 4
        dashes = {str(h._dash_pattern) for h in handles}
        assert len(dashes) == len({h.get_color() for h in handles}) == len(handles)


def test_curves_and_scores_are_not_covered_by_legends():
    for name in ("section_2_1_cifar10_xent", "section_3_2_xent", "section_3_3_xent"):
        figure = _drawn(ROOT / "figures" / f"{name}.json", looks.REPORT)
        figure.draw_without_rendering()
        for axes in figure.axes:
            legend = axes.get_legend().get_window_extent()
            lines = [line.get_transform().transform(line.get_xydata()) for line in axes.lines if len(line.get_xdata())]
            points = [axes.transData.transform(c.get_offsets()) for c in axes.collections if len(c.get_offsets())]
            inside = [legend.contains(*p) for p in np.concatenate([*lines, *points])]
            assert not any(inside), name


def test_the_authors_scores_stand_beside_ours():
    content = results.read(ROOT / "figures" / "section_3_3_xent.json")
    figure = plots.FIGURES["interpretability"](content)
    theirs = published.series("xent", "l2")
    drawn = [np.array(c.get_offsets()) for c in figure.axes[0].collections if len(c.get_facecolor()) == 0]
    expected = np.stack([theirs.accuracy, theirs.scores["remove", "gradient"]], axis=-1)
    assert any(points.shape == expected.shape and np.allclose(points, expected) for points in drawn)
    ours = plots.FIGURES["interpretability"](content | {"dataset": "cifar10_sample"})  # what they never measured
    assert len(ours.axes[0].collections) == len(figure.axes[0].collections) - 4


def retrained(fractions):
    """Accuracies of two retrainings at each fraction, the random ones higher than any other."""
    low = np.linspace(0.2, 0.3, len(fractions))[:, None] + np.array([0.0, 0.1])
    table = {"remove": low, "keep": low}
    return Retrained(
        fractions=fractions,
        accuracies={"gradient": table, "gradient_x_input": table},
        random={test: rows + 0.3 for test, rows in table.items()},
        accuracy=0.4,
        n_train=10,
        n_test=10,
    )


def test_every_curve_of_one_fraction_is_a_mark_and_a_range_that_are_seen():
    figure = retrained((0.5,)).plot()
    for axes in figure.axes:
        low, high = axes.get_ylim()
        curves = [line for line in axes.lines if line.get_label() != "explained network"]
        assert [line.get_label() for line in curves] == ["G", "GX", "random"]
        assert len({line.get_marker() for line in curves} - {"None"}) == 3
        assert all(low < line.get_ydata()[0] < high for line in curves)
        ranges = [part.get_segments() for part in axes.collections if isinstance(part, LineCollection)]
        assert [np.ptp(ends[:, 1]) for ((ends),) in ranges] == pytest.approx(3 * [0.1])
    assert not any(isinstance(p, LineCollection) for p in retrained((0.1, 0.5)).plot().axes[0].collections)


def measured(n):
    """Some measures of gradients."""
    names = ("sparseness", "smoothness", "rare_share", "tangent_share", "sensitivity_ratio")[:n]
    values = {name: np.random.default_rng(0).uniform(0, 1, 20) for name in names}
    return {"values": packed(values), "chance": dict.fromkeys(names, 0.5) | {"sparseness": None}}


@pytest.mark.parametrize(("n", "height"), [(3, 3.25), (5, 4.5)])
def test_narrow_panels_stand_side_by_side_in_a_column_of_a_paper(n, height):
    figure = Look(plain=True, width=3.25).draw(plots.FIGURES["gradient_measures"], measured(n))
    assert figure.get_figheight() <= height
    figure.draw_without_rendering()
    whole = figure.get_tightbbox()
    assert whole.x0 > -0.03
    assert whole.x1 < 3.25 + 0.03
    drawn = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(drawn, 2))
    assert [axes.get_xlabel() for axes in figure.axes] == ["", *(n - 1) * ["dashed: chance"]]
    assert not any(axes.get_legend() for axes in figure.axes)


def histograms(n):
    values = {f"network {i}": np.random.default_rng(i).normal(5, 1, 50) for i in range(n)}
    return {"attack": "l2 PGD", "plot": packed(values), "problems": []}


def imputed():
    return {
        "fractions": [0.1, 0.5],
        "accuracies": {"gradient": {order: packed(np.array([0.9, 0.5])) for order in ("most", "least")}},
        "accuracy": 0.95,
    }


CURVES = [0.9, 0.6, 0.3]
ROAD = {
    "model": "mine.keras",
    "dataset": "own",
    "data_source": "photos",
    "n_classes": 4,
    "clean": {"accuracy": 0.95, "n": 48},
    "fractions": [0.1, 0.5, 0.9],
    "attributions": [
        {"attribution": name, "most": CURVES, "least": CURVES, "area": 0.0, "interval": [-0.1, 0.1]}
        for name in ("gradient", "gradient_x_input", "integrated_gradients", "smoothgrad", "occlusion")
    ],
}
"""What `robint road` writes, as far as it is drawn."""


@pytest.mark.parametrize("look", [looks.REPORT, Look(plain=True, width=3.25)], ids=["report", "plain"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("distances_by_network", histograms(3)),
        ("distances_by_network", histograms(10)),
        ("distances", histograms(0) | {"clean": packed(np.arange(9.0)), "attacked": packed(np.arange(9.0))}),
        ("road", ROAD),
        ("retraining_curves", retrained((0.1, 0.5)).content()),
        ("imputation_curves", imputed()),
    ],
)
def test_legends_below_cover_nothing_and_leave_room(name, content, look):
    figure = look.draw(plots.FIGURES[name], content)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    below = legend.get_window_extent()
    assert below.x0 >= 0
    assert below.y0 >= 0
    for axes in figure.axes:
        assert not below.overlaps(axes.get_tightbbox())
        assert axes.yaxis.label.get_window_extent().y1 <= figure.bbox.y1
        assert axes.get_window_extent().height > 0.9 * figure.dpi


@pytest.mark.parametrize("look", [looks.REPORT, Look(plain=True, annotations=False, width=3.25)])
def test_every_mark_of_road_is_explained(look):
    (legend,) = look.draw(plots.FIGURES["road"], ROAD).legends
    told = {text.get_text(): handle for text, handle in zip(legend.texts, legend.legend_handles, strict=True)}
    assert told["filled: most relevant first"].get_markerfacecolor() != "white"
    assert told["hollow: least relevant first"].get_markerfacecolor() == "white"
    assert told["chance"].get_linestyle() == ":"


def test_hidden_edges_of_the_sketch_are_dashed():
    floor = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    wall = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], float)
    ends = plots_toy.intersection(floor, wall)
    assert sorted(map(tuple, ends)) == [(-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)]
    assert plots_toy.intersection(floor, floor + np.array([0, 0, 1])) is None
    assert plots_toy.intersection(floor, wall + np.array([5, 0, 0])) is None
    behind, before = np.array([[0, 1, 0.0]]), np.array([[0, -1, 0.0]])
    assert plots_toy._behind(behind, wall)[0]
    assert not plots_toy._behind(before, wall)[0]
    figure = _drawn(ROOT / "figures" / "section_2_2_sketch.json", looks.REPORT)
    assert {line.get_linestyle() for line in figure.axes[0].lines} == {"-", "--", ":"}
