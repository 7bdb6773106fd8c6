"""What the paper does not have: schedules, controls beside the scores, power, and the commands road and gradients."""

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from robint_experiments import tables
from robint_experiments.beyond import controls, gradient_study, methods, power, schedules
from robint_experiments.studies import grid_results, pictures
from robint_experiments.studies.presets import ATTRIBUTIONS, SECTION_2_1, SECTION_3_2, SMOOTHED, UNAWARE
from robint_tf.data import datasets as data
from robint_tf.interpretability import inference, scores
from robint_tf.interpretability.controls import Controls
from robint_tf.paper import comparison, published
from robint_tf.paper.beyond import measures, spreads
from robint_tf.paper.figures import plots
from robint_tf.specs import FRACTIONS, RANDOM, Training
from robint_tf.store import results

PAPER, POWERED = SECTION_3_2["paper"], SECTION_3_2["powered"]
OCCLUSIONS = ("remove", "keep")


# Schedules


@pytest.mark.parametrize(
    ("epochs", "names"),
    [
        (1, ["last epoch"]),
        (2, ["last epoch", "mean of the last 2", "after 1 of 2"]),
        (6, ["last epoch", "mean of the last 5", "after 2 of 6", "after 3 of 6", "after 5 of 6"]),
        (20, ["last epoch", "mean of the last 5", "after 5 of 20", "after 10 of 20", "after 15 of 20"]),
    ],
)
def test_the_last_epoch_is_read_first(epochs, names):
    found = schedules.readings(epochs)
    assert list(found) == names
    curve = np.arange(1, epochs + 1)
    assert curve[found["last epoch"]].tolist() == [epochs]
    for name, part in found.items():
        if name.startswith("after"):
            assert curve[part].tolist() == [int(name.split()[1])]
    if epochs == 20:
        assert curve[found["mean of the last 5"]].tolist() == [16, 17, 18, 19, 20]


STUDY = replace(
    PAPER,
    eps={"l2": (0.8, 1.6)},
    losses=("xent",),
    fractions=(0.1, 0.9),
    n_seeds=2,
    training=Training(epochs=4),
    retraining=Training(epochs=4),
)
N_TEST = 200


class KnownGrid:
    """A grid whose every number is known: hits that depend on the cell and rise with the epoch."""

    def __init__(self, study=STUDY):
        self.study = study
        test = SimpleNamespace(y=np.zeros(N_TEST))
        self.dataset = SimpleNamespace(test=SimpleNamespace(take=lambda n: test, y=test.y))

    def hits(self, cell):
        start = 40 if cell.attribution == RANDOM else 10 + 3 * self.study.cells(cell.source).index(cell)
        if cell.source is not None and cell.source.attack is not None:
            tenths = round(10 * cell.source.attack.eps)
            start += tenths + 7 * tenths % 5
        return start + np.array([0, 5, 20, 9])

    def curve(self, spec):
        return np.array([0.1, 0.2, 0.3, 0.5 - (spec.attack.eps / 10 if spec.attack else 0)])

    def cells(self, source):
        found = {}
        for cell in self.study.cells(source):
            found.setdefault((cell.attribution, cell.occlusion), []).append(self.hits(cell)[-1] / N_TEST)
        return {key: np.array(values).reshape(2, -1) for key, values in found.items()}

    def measured(self):
        accuracy = SimpleNamespace(value=0.5, interval=(0.4, 0.6), n=N_TEST)
        rows = [(e, accuracy, accuracy, self.cells(e.spec)) for e in self.study.networks()]
        return {"baseline": self.cells(None), "networks": rows}


@pytest.mark.parametrize("axis", ["strength", "accuracy"])
def test_scores_by_schedule_are_those_of_the_accuracies_of_these_epochs(axis, tmp_path, capsys):
    grid = KnownGrid()
    measured = grid.measured()
    content = grid_results.figure(STUDY, measured, "xent", axis)
    block = schedules.compared(grid, measured, content)
    results.write(tmp_path / "f.json", content | block)
    found = results.read(tmp_path / "f.json")["schedules"]
    assert found["readings"] == ["last epoch", "mean of the last 4", "after 1 of 4", "after 2 of 4", "after 3 of 4"]
    assert [n["name"] for n in found["networks"]] == [n["name"] for n in content["networks"]]
    by_test = {p["occlusion"]: {s["attribution"]: s["y"] for s in p["series"]} for p in content["panels"]}
    for i, network in enumerate(found["networks"]):
        for occlusion in OCCLUSIONS:
            hits, random = network["hits_by_epoch"]["gradient"][occlusion], found["baseline_hits_by_epoch"][occlusion]
            read = network["scores"]["gradient"][occlusion]
            assert read["last epoch"] == pytest.approx(by_test[occlusion]["gradient"][i])  # the default number stays
            for way, epochs in {"mean of the last 4": [0, 1, 2, 3], "after 3 of 4": [2]}.items():
                a, r = (np.array(h)[:, :, epochs].mean(axis=(1, 2)) / N_TEST for h in (hits, random))
                expected = scores.SCORES[occlusion](np.array([0.1, 0.9]), a, r)
                assert read[way] == pytest.approx(float(expected))
    series = found["series"][0]
    assert (series["occlusion"], series["attribution"], series["norm"]) == ("remove", "gradient", "l2")
    last, mean, *_ = series["readings"]
    assert last["rank_agreement"] == pytest.approx(1)
    assert last["mean_absolute_difference"] == 0
    y = np.array([n["scores"]["gradient"]["remove"]["mean of the last 4"] for n in found["networks"]])
    x = [0, 0.5, 1] if axis == "strength" else [0.275, 0.255, 0.235]
    assert mean["correlation"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    schedules.print_table(content | block)
    assert "after 3 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "epochs", "left"),
    [
        (slice(19, 20), 20, slice(19, 20)),
        (slice(15, 20), 20, slice(15, 19)),
        (slice(0, 2), 2, slice(0, 1)),
        (slice(9, 10), 20, slice(9, 10)),
    ],
)
def test_the_last_epoch_is_not_compared_with_a_mean_that_contains_it(part, epochs, left):
    assert schedules.without_last(part, epochs) == left


def test_the_order_of_a_mean_is_compared_without_the_last_epoch():
    """Scores whose last epoch turns the order round: a mean with it would follow it."""

    class Turning(KnownGrid):
        def hits(self, cell):
            start = 40 if cell.attribution == RANDOM else 20
            tenths = 0 if cell.source is None or cell.source.attack is None else round(10 * cell.source.attack.eps)
            return np.array([start + tenths, start + tenths, start + tenths, start + 100 - 5 * tenths])

    grid = Turning()
    measured = grid.measured()
    content = grid_results.figure(STUDY, measured, "xent", "strength")
    found = schedules.compared(grid, measured, content)["schedules"]
    _, mean, *_ = found["series"][0]["readings"]
    assert mean["reading"] == "mean of the last 4"
    assert mean["rank_correlation"] > 0  # ROAR: fewer hits, a higher score
    assert mean["rank_agreement"] == pytest.approx(-1)


def test_networks_whose_epochs_are_unknown_have_scores_all_the_same():
    grid = KnownGrid()
    grid.curve = lambda spec: None
    measured = grid.measured()
    content = grid_results.figure(STUDY, measured, "xent", "accuracy")
    found = schedules.compared(grid, measured, content)["schedules"]
    assert found["networks"][0]["accuracy_by_epoch"] is None
    assert found["series"][0]["readings"][0]["correlation"] is None
    assert found["series"][0]["readings"][0]["rank_agreement"] == pytest.approx(1)


# Controls


def test_controls_leave_the_grid_as_it_is_and_add_rows_of_their_own():
    asked = replace(PAPER, controls=True)
    assert set(PAPER.cells(None)) < set(asked.cells(None))
    assert {c.attribution for c in asked.cells(None)} == {RANDOM, *UNAWARE}
    assert len(asked.controlled()) == 5
    radii = sorted((s.attack.norm, s.attack.eps) for s in asked.controlled() if s.attack)
    assert radii == [("l2", 0.8), ("l2", 1.6), ("linf", 0.02), ("linf", 0.04)]
    added = 0
    for explained in PAPER.networks():
        plain, more = PAPER.cells(explained.spec), asked.cells(explained.spec)
        assert more[: len(plain)] == plain
        names = {c.attribution for c in more[len(plain) :]}
        assert names == (set(SMOOTHED) if explained.spec in asked.controlled() else set())
        added += len(more) - len(plain)
        assert [s.attribution for s in asked.shapes(explained.spec)][:2] == list(ATTRIBUTIONS)
    assert added == 5 * 2 * 2 * 5 * 3  # networks, filters, occlusions, fractions, seeds


def test_the_shape_of_maps_stands_beside_scores_and_explains_them_where_it_does(tmp_path, capsys):
    study = replace(STUDY, eps={"l2": (0.4, 0.8, 1.2, 1.6)}, controls=True)
    grid = KnownGrid(study)
    measured = grid.measured()
    content = grid_results.figure(study, measured, "xent", "strength")
    rng = np.random.default_rng(0)
    shapes = {None: {name: Controls(0.5, 0.4, (0.3,), (0.1, 0.2)) for name in (RANDOM, *UNAWARE)}}
    ys = {s["name"]: s["y"] for s in content["panels"][0]["series"]}["L2 XEnt G"]
    for explained, y in zip(study.networks(), ys, strict=True):
        shape = Controls(2 * y + 0.01 * float(rng.random()), None, (-y,), (float(rng.random()),))
        shapes[str(explained)] = dict.fromkeys(study.attributions(explained.spec), shape)
    block = controls.controls(study, measured, shapes, content)
    results.write(tmp_path / "f.json", content | block)
    found = results.read(tmp_path / "f.json")
    assert len(found["controls"]) == 5 * 2
    assert len(found["control_maps"]) == 2 + 3 * 2  # edges, centre; two filters of three networks
    row = found["controls"][0]
    assert (row["network"], row["attribution"]) == ("standard", "gradient")
    assert row["remove"]["score"] == pytest.approx(ys[0])
    regressor = next(r for r in found["regressors"] if (r["series"], r["occlusion"]) == ("L2 XEnt G", "remove"))
    moran = [row["moran"] for row in found["controls"] if row["attribution"] == "gradient"]
    assert regressor["measures"]["moran"]["correlation"] == pytest.approx(np.corrcoef(moran, ys)[0, 1])
    assert regressor["measures"]["mean_mask_moran"]["correlation"] == pytest.approx(-1)
    assert "gini" not in regressor["measures"]
    assert "chance_leakage" not in regressor["measures"]
    assert [row["chance_leakage"] for row in found["controls"]] == pytest.approx([0.15] * 10)
    assert found["control_masks"] == {"fractions": list(FRACTIONS), "random_leakage": [0.1, 0.2]}
    x = np.array([e.eps / 1.6 for e in study.networks()])
    partial = inference.partial_correlation(x, np.array(ys), np.array(moran), degree=1)
    assert regressor["measures"]["moran"]["axis_at_equal_measure"]["value"] == pytest.approx(partial.value)
    controls.print_table(content | block)
    text = capsys.readouterr().out
    assert "no network                  edges" in text
    assert "G, 3x3 maximum" in text
    assert "Random masks give away 0.100 to 0.200" in text
    plots.FIGURES["interpretability"](found | {"dataset": "cifar10", "train_data": {"count": 50_000}})


# Power


def test_the_spread_of_simulated_scores_is_found(monkeypatch):
    rng = np.random.default_rng(0)
    eps = tuple(np.linspace(0, 1.6, 400))

    def simulated(loss, norm):
        network = rng.normal(0, 0.02, len(eps))
        series = {
            (o, a): tuple(0.01 * np.array(eps) + network + rng.normal(0, 0.01, len(eps)))
            for o in OCCLUSIONS
            for a in ATTRIBUTIONS
        }
        return SimpleNamespace(eps=eps, scores=series)

    monkeypatch.setattr(published, "series", simulated)
    found = spreads.authors(power.TESTED)
    assert found.between == pytest.approx(0.02, rel=0.1)
    assert found.within == pytest.approx(0.01 * np.sqrt(3), rel=0.1)  # of one retraining; each score is of three


def test_powered_finds_the_authors_slopes_and_no_smaller_design_does():
    def least(study):
        return min(row["power"] for row in power.powers(study))

    assert least(POWERED) >= 0.8
    assert least(replace(POWERED, n_explained=POWERED.n_explained - 1)) < 0.8
    assert least(PAPER) < 0.8
    assert len(POWERED.networks()) == 143
    assert len({e.spec for e in POWERED.networks() if e.norm is None}) >= inference.LEAST_OF_EACH
    cells = [c for source in (None, *(e.spec for e in POWERED.networks())) for c in POWERED.cells(source)]
    assert len(cells) == 143 * 20 + 50
    assert {e.spec.attack.n_steps for e in POWERED.networks() if e.norm} == {7}
    assert {(c.n_train, replace(c.training, seed=0)) for c in cells} == {(PAPER.n_train, PAPER.retraining)}
    for norm, radii in POWERED.eps.items():
        assert set(radii) < set(PAPER.eps[norm])


def test_found_is_what_the_report_calls_so():
    """The slope with the least power, found with 80% by the test of the report: the other series tell nothing."""
    row = min(power.powers(POWERED), key=lambda row: row["power"])
    x = np.repeat([0.0, *(eps / published.STRONGEST["l2"] for eps in POWERED.eps["l2"])], POWERED.n_explained)
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        fit = inference.slope(x, row["authors_slope"] * x + rng.normal(0, row["sd"], len(x)))
        found.append(inference.holm([fit.p] + [1.0] * 7)[0] < 0.05)
    assert np.mean(found) == pytest.approx(row["power"], abs=0.06)


def test_every_network_is_retrained_from_seeds_of_its_own():
    """With one seed for all, what it makes of smooth maps would go with attack strength in every network."""
    for study in (SECTION_3_2["quick"], POWERED, PAPER):
        seeds = {e.spec: {c.training.seed for c in study.cells(e.spec)} for e in study.networks()}
        assert all(len(own) == study.n_seeds for own in seeds.values())
        assert len(set().union(*seeds.values())) == study.n_seeds * len(study.networks())
    same = {
        SECTION_3_2["quick"].networks()[1].spec,
        replace(SECTION_3_2["quick"], eps={"l2": (0.16,)}).networks()[1].spec,
    }
    assert len(same) == 1  # a part of the grid has the seeds of the whole


def test_ten_draws_of_random_pixels_are_the_baseline():
    cells = PAPER.cells(None)
    for occlusion in OCCLUSIONS:
        for fraction in PAPER.fractions:
            drawn = [c for c in cells if (c.occlusion, c.fraction) == (occlusion, fraction)]
            assert len({c.mask_seed for c in drawn}) == len({c.training.seed for c in drawn}) == len(drawn) == 5
    assert len(replace(PAPER, n_seeds=7).cells(None)) == 7 * 10  # never fewer than of a map


def test_more_retrainings_and_fractions_narrow_the_spread():
    assert power.sd(replace(PAPER, n_seeds=1)) > power.sd(PAPER) > spreads.authors(power.TESTED).between
    assert power.sd(replace(PAPER, fractions=(0.5,))) > power.sd(PAPER)


def test_the_power_for_a_slope_far_above_the_noise_is_one():
    """SciPy's noncentral t is NaN in the far tail."""
    assert inference.slope_power([0, 0.5, 1], 8, 0.001, 0.1) == pytest.approx(1)


def test_plan_prints_the_power(robint, tmp_path):
    text = robint("plan", "section-3-2", "--preset", "smoke", "--device-rate", "1", "--json", "p.json")
    assert "found with 80%" in text
    assert "KAR L2 XEnt G " in text
    (study,) = json.loads((tmp_path / "p.json").read_text())["studies"]
    assert [row["series"] for row in study["power"]][:2] == ["KAR L2 XEnt G", "KAR L2 XEnt GX"]
    assert all(0 < row["power"] < 1 for row in study["power"])
    assert "found with 80%" not in robint("plan", "section-2-2", "--preset", "smoke", "--device-rate", "1")


def test_columns_stand_below_their_heads_whatever_maps_are_called(capsys):
    long = "integrated_gradients(steps=20,baseline=zero)"
    controls.print_shapes({name: Controls(0.5, 0.25, (0.1,) * 5, (0.1,) * 5).row() for name in ("gradient", long)})
    *_, head, short, row = capsys.readouterr().out.splitlines()
    assert row.startswith("IG (steps 20, baseline zero) ")
    assert len(head) == len(short) == len(row)


# Commands


@pytest.fixture
def saved(tmp_path):
    """A network that answers at random, in a file."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    stack = [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(10)]
    keras.Sequential(stack).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def test_road_previews_a_network_and_repeats_nothing(robint, saved, tmp_path, monkeypatch):
    args = ["road", saved, "--dataset", "mnist-sample", "--n-test", "30", "--fractions", "0.3", "--fractions", "0.6"]
    args += ["--attribution", "gradient", "--attribution", "centre"]
    text = robint(*args)
    assert "by share of imputed pixels" in text
    path = tmp_path / "figures" / "road_m.json"
    before, figure = path.read_bytes(), (tmp_path / "figures" / "road_m.png").read_bytes()
    found = results.read(path)
    assert found["fractions"] == [0.3, 0.6]
    assert found["provenance"]["command"].startswith("robint road ")
    for row in found["attributions"]:
        low, high = row["interval"]
        assert low <= row["area"] <= high
        trapezium = 0.3 * (row["least"][0] - row["most"][0]) + 0.35 * (row["least"][1] - row["most"][1])
        assert row["area"] == pytest.approx(trapezium)
    points = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "RoadSpec").rglob("manifest.json")}
    assert len(points) == 2 * 2 * 2
    monkeypatch.setattr("robint_tf.interpretability.road.impute", None)  # would be called for what is missing
    robint(*args)
    assert {p: p.stat().st_mtime_ns for p in points} == points
    assert path.read_bytes() == before
    robint("redraw", path, "--out", "again")
    assert (tmp_path / "again" / "road_m.png").read_bytes() == figure


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.keras"], "does not exist"),
        (["nowhere.keras", "--dataset", "toy"], "no pixels"),
        (["nowhere.keras", "--fractions", "1"], "between 0 and 1"),
        (["nowhere.keras", "--attribution", "lime"], "attribution is 'lime'; choose one of gradient,"),
    ],
)
def test_road_refuses_what_it_cannot_explain(robint, args, message):
    assert message in robint("road", "--dataset", "mnist-sample", *args, code=2)


@pytest.fixture
def tiny_2_1(monkeypatch):
    """The smoke preset of section 2.1 with one panel's networks, on a few images, in blocks of five."""
    study = replace(
        SECTION_2_1["smoke"]["mnist"],
        n_train=60,
        eps={"l2": (4.0,), "linf": (0.2,)},
        norms=("l2",),
        losses=("xent",),
        vae_gan_n_train=40,
        n_test=8,
    )
    monkeypatch.setitem(SECTION_2_1["smoke"], "mnist", study)
    monkeypatch.setattr(gradient_study, "BLOCK", 5)


def test_gradients_are_measured_once_and_drawn(robint, tiny_2_1, tmp_path, monkeypatch):
    text = robint("gradients", "--dataset", "mnist", "--preset", "smoke", "--n-test", "6")
    assert "k the rank of the decoder's Jacobian: 10.0 on average, 10 at least, of 10 latent dimensions." in text
    assert "no share in rare directions to be relied on: there are 1000 training images of 784 values" in " ".join(
        text.split()
    )
    assert text.count("not valid") == 2 * 4  # of a VAE-GAN of forty images: three networks and the nearest image
    path = tmp_path / "figures" / "gradients_mnist.json"
    found, before = results.read(path), path.read_bytes()
    assert found["n_images"] == 6
    assert found["rank"] == {"mean": 10, "least": 10}
    assert found["chance"]["tangent_share"] == pytest.approx(np.sqrt(10 / 784))
    assert [n["name"] for n in found["networks"]] == ["Standard", "l2 4 xent", "linf 0.2 xent"]
    assert [n["strength"] for n in found["networks"]] == [0, 1, 1]
    for network in found["networks"]:
        for measure in ("tangent_share", "sensitivity", "rare_share"):
            low, high = network[measure]["interval"]
            assert 0 <= low <= network[measure]["mean"] <= high
        assert network["tangent_share"]["n"] == 6
        ratio = network["sensitivity"]
        assert ratio["mean"] == pytest.approx(ratio["off"] / ratio["on"])
    nearest = found["nearest"]
    assert nearest["sensitivity"] is None
    assert nearest["rare_share"]["mean"] < found["chance"]["rare_share"]  # images do not differ where they do not vary
    measured = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "GradientSpec").rglob("manifest.json")}
    assert len(measured) == 2 * 4  # blocks; three networks and the nearest image
    alone = robint("gradients", "--dataset", "mnist", "--preset", "smoke", "--n-test", "1", "--out", "one")
    assert alone.count("(no interval)") == 4  # the share in rare directions; the others are not valid
    for network in results.read(tmp_path / "one" / "gradients_mnist.json")["networks"]:
        assert [network[m]["interval"] for m in ("tangent_share", "sensitivity", "rare_share")] == [None] * 3
    assert (tmp_path / "one" / "gradients_mnist.png").exists()
    measured = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "GradientSpec").rglob("manifest.json")}
    monkeypatch.setattr(gradient_study.GradientRunner, "_make", None)
    robint("gradients", "--dataset", "mnist", "--preset", "smoke", "--n-test", "6")
    assert {p: p.stat().st_mtime_ns for p in measured} == measured
    assert path.read_bytes() == before
    robint("redraw", path, "--out", "again")
    assert (tmp_path / "again" / "gradients_mnist.png").exists()
    monkeypatch.setattr(pictures, "_png", lambda figure: "")
    monkeypatch.setattr(pictures, "_authors", tuple)  # which are kept for the tests that follow
    drawn, undrawn = pictures.pictures(comparison.collect(tmp_path / "figures"), set())
    assert not undrawn
    assert next((p.section, "gradients lie" in p.title) for p in drawn) == ("beyond", True)


def test_the_nearest_image_is_of_the_same_class():
    digits = data.load("mnist_sample", offline=True)
    runner = gradient_study.GradientRunner.__new__(gradient_study.GradientRunner)
    runner.dataset = digits
    block = digits.test.take(5)
    found = block.x + runner._to_nearest(block)
    for image, x, y in zip(found, block.x, block.y, strict=True):
        of_class = digits.train.x[digits.train.y == y]
        distances = np.linalg.norm((of_class - x).reshape(len(of_class), -1), axis=1)
        np.testing.assert_allclose(image, of_class[distances.argmin()], atol=1e-6)


def test_other_methods_are_cells_of_the_same_grid():
    options = {f.name: None for f in fields(methods.Options)} | {
        "preset": "quick",
        "strongest": 2,
        "variant": "authors",
    }
    study = methods.Options(**options | {"attributions": (), "norms": (), "fractions": ()}).study()
    quick = SECTION_3_2["quick"]
    assert [str(e) for e in study.networks()] == [
        "standard", *(f"{norm} xent eps {eps:g}" for norm, radii in quick.eps.items() for eps in radii[-2:])
    ]  # fmt: skip
    for explained in study.networks():
        cells = study.cells(explained.spec)
        assert set(quick.cells(explained.spec)) == {c for c in cells if c.attribution in ATTRIBUTIONS}
        assert len(cells) == len(methods.METHODS) * 2 * 3
    assert study.cells(None) == quick.cells(None)
    assert "integrated_gradients(steps=50,baseline=fill)" in study.methods


def test_methods_are_scored_drawn_and_made_once(robint, tmp_path):
    grid = ["--preset", "smoke", "--norms", "l2", "--fractions", "0.5", "--strongest", "1", "--n-road", "20"]
    args = ["methods", *grid, "--attribution", "gradient", "--attribution", "vargrad:samples=2"]
    text = robint(*args)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("manifest.json")}
    found = results.read(tmp_path / "figures" / "methods.json")
    fractions, baseline = np.array(found["fractions"]), found["baseline"]
    assert [network["name"] for network in found["networks"]] == ["standard", "l2 xent eps 1.6"]
    for network in found["networks"]:
        gradient, vargrad = network["maps"]
        assert (gradient["attribution"], vargrad["attribution"][:18]) == ("gradient", "vargrad(samples=2,")
        for test, score in scores.SCORES.items():
            for row in (gradient, vargrad):
                expected = score(fractions, np.mean(row[test]["accuracies"], 1), np.mean(baseline[test], 1))
                assert row[test]["score"] == pytest.approx(float(expected))
        low, high = vargrad["road"]["interval"]
        assert low <= vargrad["road"]["area"] <= high
        assert f"{vargrad['road']['area']:.4f}" in text
        assert 0 < gradient["gini"] < 1
        assert 0 <= gradient["chance_leakage"] == vargrad["chance_leakage"] <= 1
    rows = measures.methods(found).rows
    assert [row[:2] for row in rows] == [[n, m] for n in ("standard", "l2 xent eps 1.6") for m in ("G", rows[1][1])]
    assert robint(*args).splitlines()[-1] == text.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("manifest.json")} == made
    robint("redraw", "figures/methods.json", "--out", "again")
    assert (tmp_path / "again" / "methods.png").read_bytes() == (tmp_path / "figures" / "methods.png").read_bytes()
    shown = tables.methods(comparison.collect(tmp_path / "figures"))
    assert "| standard | G |" in shown
    assert shown.count("VarGrad") == 2
    assert "robint methods" in tables.methods(comparison.collect(tmp_path / "again"))
