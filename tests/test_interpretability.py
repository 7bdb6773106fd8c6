"""Sections 3.2 and 3.3: the grid, its numbers, the figures and the commands."""

import hashlib
import json
import re
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from processes import start

from robint_experiments.studies import grid_results
from robint_experiments.studies.presets import ATTRIBUTIONS, SECTION_3_2
from robint_tf.paper import published
from robint_tf.paper.figures import plots
from robint_tf.specs import as_dict
from robint_tf.store import folders, results

PAPER = SECTION_3_2["paper"]
OCCLUSIONS = ("remove", "keep")


def test_the_paper_preset_is_the_authors_grid():
    networks = PAPER.networks()
    assert len(networks) == 81
    cells = [c for source in (None, *(n.spec for n in networks)) for c in PAPER.cells(source)]
    assert len(cells) == len(set(cells)) == 81 * 2 * 2 * 5 * 3 + 2 * 5 * 5
    for norm, last, step in (("l2", 1.6, 2.0), ("linf", 0.04, 0.02)):
        of_norm = [n for n in networks if n.norm == norm and n.loss == "cw"]
        assert [n.eps for n in of_norm] == list(published.series("cw", norm).eps[1:])
        assert of_norm[-1].eps == last
        assert {(n.spec.attack.step_size, n.spec.attack.n_steps) for n in of_norm} == {(step, 40)}
    assert {c.training.epochs for c in cells} == {n.spec.training.epochs for n in networks} == {20}
    assert {c.training.batch_size for c in cells} == {100}
    attack = PAPER.robust_attack
    assert (attack.norm, attack.eps, attack.step_size, attack.n_steps) == ("l2", 0.4, 2.0, 40)


def test_more_seeds_keep_the_cells_that_were_there():
    fewer, more = PAPER, replace(PAPER, n_seeds=5, n_explained=2)
    for source in (None, *(n.spec for n in fewer.networks()[:3])):
        assert set(fewer.cells(source)) <= set(more.cells(source))
        assert len(more.cells(source)) == (1 if source is None else 2) * 2 * 5 * 5  # maps, tests, fractions, seeds
    assert [n.spec for n in more.networks()][:81] == [n.spec for n in fewer.networks()]
    assert len({n.spec for n in more.networks()}) == 162


def test_explained_and_retrained_networks_never_share_initial_weights():
    explained = {n.spec.training.seed for n in replace(PAPER, n_explained=100).networks()}
    sources = (None, *(n.spec for n in PAPER.networks()))
    assert not explained & {c.training.seed for s in sources for c in replace(PAPER, n_seeds=100).cells(s)}


def test_scores_are_areas_between_the_curves():
    study = replace(PAPER, fractions=(0.5,), n_seeds=2)
    accuracies, random = np.array([[0.3, 0.4]]), np.array([[0.5, 0.5]])
    score, error = grid_results.score_of(study, accuracies, random, "remove")
    assert score == pytest.approx((0.1 + 0.05) / 2)  # triangles of base 1 and heights 0.2 and 0.1
    assert error == pytest.approx(0.05 / 2)  # half their difference
    assert grid_results.score_of(study, accuracies, random, "keep")[0] == pytest.approx(-score)
    assert grid_results.score_of(study, accuracies[:, :1], random[:, :1], "keep")[1] is None


def as_the_authors(study=PAPER, loss="xent"):
    """A grid whose every score is the authors': constant curves whose area is the published score."""
    random = {("random", o): np.full((5, 3), 0.5) for o in OCCLUSIONS}
    area = 0.9  # of a curve that is 1 at the five fractions and 0 at both ends
    rows = []
    for explained in study.networks():
        if explained.loss not in (None, loss):
            continue
        table = published.series(loss, explained.norm or "l2")
        i = table.eps.index(explained.eps)
        cells = {}
        for attribution in ATTRIBUTIONS:
            for occlusion, sign in (("remove", -1), ("keep", 1)):
                value = 0.5 + sign * table.scores[occlusion, attribution][i] / area
                cells[attribution, occlusion] = np.full((5, 3), value)
        clean = SimpleNamespace(value=table.accuracy[i], interval=(0.0, 1.0), n=10_000)
        rows.append((explained, clean, clean, cells))
    return {"baseline": random, "networks": rows}


@pytest.mark.parametrize("axis", ["strength", "accuracy"])
def test_the_authors_numbers_give_the_authors_figure(axis):
    found = grid_results.figure(PAPER, as_the_authors(), "xent", axis)
    for panel in found["panels"]:
        names = [s["name"] for s in panel["series"]]
        assert names == ["L2 XEnt GX", "L-Inf XEnt GX", "L2 XEnt G", "L-Inf XEnt G"]
        for series in panel["series"]:
            table = published.series("xent", series["norm"])
            authors = table.scores[panel["occlusion"], series["attribution"]]
            if series["norm"] == "l2":  # the two norms' readings of the one standard network differ in the last digit
                np.testing.assert_allclose(series["y"], authors, atol=1e-12)
            assert series["correlation"]["pearson"] == pytest.approx(series["authors"]["linear"], abs=0.003)
            assert series["correlation"]["spearman"] == pytest.approx(series["authors"]["rank"], abs=0.011)
            expected = [e / table.eps[-1] for e in table.eps] if axis == "strength" else list(table.accuracy)
            np.testing.assert_allclose(series["x"], expected)
    roar = [s["margin_over_standard"] > 0 for s in found["panels"][0]["series"]]
    assert sum(roar) >= 3  # the authors' ROAR scores nearly all meet the criterion of section 3.2


def written(found, tmp_path):
    path = tmp_path / "f.json"
    results.write(path, {"dataset": "cifar10", "train_data": {"count": 50_000}, **found})
    return results.read(path)


def test_the_figure_has_the_papers_axes_and_legend(tmp_path):
    found = written(grid_results.figure(PAPER, as_the_authors(), "xent", "strength"), tmp_path)
    drawn = plots.FIGURES["interpretability"](found)
    assert [a.get_title() for a in drawn.axes] == ["Remove and Retrain (ROAR)", "Keep and Retrain (KAR)"]
    assert [a.get_ylim() for a in drawn.axes] == [(0.005, 0.085), (-0.04, 0.025)]
    assert drawn.axes[0].get_xlim() == pytest.approx((-0.05, 1.05))
    labels = [t.get_text() for t in drawn.axes[0].get_legend().get_texts()]
    assert labels[0].split() == ["L2", "XEnt", "GX", "0.949", "(0.949)", "0.945", "(0.946)"]


def test_one_network_per_series_gives_a_figure_without_correlations(tmp_path, capsys):
    study = replace(PAPER, eps={"l2": (1.6,)}, losses=("xent",))
    found = written(grid_results.figure(study, as_the_authors(study), "xent", "strength"), tmp_path)
    assert all(s["correlation"] is None for p in found["panels"] for s in p["series"])
    plots.FIGURES["interpretability"](found)
    grid_results.print_table(found)
    rows = [line.split()[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("L2 XEnt")]
    assert rows == [  # nothing of ours, the authors' two
        ["GX", "-", "0.949", "-", "0.946"],
        ["G", "-", "0.946", "-", "0.973"],
        ["GX", "-", "0.628", "-", "0.626"],
        ["G", "-", "-0.529", "-", "-0.462"],
        ["GX", "-", "0.941", "-", "0.949"],  # of DiffROAR
        ["G", "-", "0.919", "-", "0.955"],
    ]


SMALL = ["--preset", "smoke", "--norms", "l2"]
SMALLER = [*SMALL, "--fractions", "0.5"]


def artifacts(tmp_path):
    found = (tmp_path / "store").rglob("manifest.json")
    return {p: p.stat().st_mtime_ns for p in found if ".part-" not in str(p)}


def test_a_killed_grid_loses_one_cell_and_section_3_3_trains_nothing(robint, tmp_path):
    process = start(tmp_path, "section-3-2", *SMALLER)
    deadline = time.monotonic() + 240
    while len(list((tmp_path / "store" / "RetrainSpec").glob("*/manifest.json"))) < 7:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    finished = artifacts(tmp_path)
    text = robint("section-3-2", *SMALLER)
    assert "Remove and Retrain (ROAR): correlation with attack strength" in text
    everything = artifacts(tmp_path)
    assert {p: everything[p] for p in finished} == finished
    assert len(everything) == 3 * (1 + 1 + 2 + 2 + 4) + 3  # networks, curves, accuracies, shapes, cells; the baseline
    first = (tmp_path / "figures" / "section_3_2_xent.json").read_bytes()

    robint("section-3-3", *SMALLER)
    assert artifacts(tmp_path) == everything
    assert (tmp_path / "figures" / "section_3_3_xent.png").exists()
    assert "30 of   30 (100.0%)" in robint("status", *SMALLER)

    robint("section-3-2", *SMALLER, "--store", "fresh", "--out", "undisturbed")
    assert (tmp_path / "undisturbed" / "section_3_2_xent.json").read_bytes() == first

    text = robint("section-3-2", *SMALL, "--seeds", "2", "--fractions", "0.5", "--eps", "1.6", "--dry-run")
    assert "0 of 2 networks to train" in text
    assert "10 of 20 retrainings" in text  # the second seeds
    assert artifacts(tmp_path) == everything
    robint("redraw", "figures/section_3_2_xent.json", "--out", "again")
    for name in ("section_3_2_xent.png", "section_3_2_diffroar_xent.png"):  # on the sample there is nothing published
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "figures" / name).read_bytes()


def test_an_old_store_is_not_used_and_status_says_so(robint, tmp_path):
    """Version 0.1.0 named neither architecture nor shapes in its keys, and no version in its manifests."""
    cells = SECTION_3_2["smoke"].cells(None)
    for cell in cells:
        spec = {k: v for k, v in as_dict(cell).items() if k != "architecture"}
        recipe = {"version": 1, "spec": spec, "inputs": ["train", "test"]}
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]
        manifest = {"spec": spec, "inputs": ["train", "test"], "notes": {}, "made_with": {"robint_tf": "0.1.0"}}
        folders.write_folder(tmp_path / "store" / "RetrainSpec" / key, {"accuracy": np.array(0.5)}, manifest)
        (tmp_path / "store" / "RetrainSpec" / f"{key}.checkpoint").mkdir()  # its artifact is there
    text = robint("status", *SMALL)
    assert re.search(r"^all +0 of +44 \(0\.0%\); 0 trainings begun", text, re.M)
    assert f"{len(cells)} artifacts of mathematics 1 (version 0.1.0) are not used" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--eps", "0.4"], "name one, e.g. --norms l2"),
        (["--norms", "l2", "--eps", "0"], "standard network"),
        (["--norms", "l2", "--eps", "-1"], "at least 0"),
        (["--fractions", "1"], "between 0 and 1"),
        (["--fractions", "0"], "between 0 and 1"),
        (["--seeds", "0"], "--seeds"),
        (["--losses", "mse"], "mse"),
    ],
)
def test_wrong_input_is_refused_in_one_line(robint, args, message):
    for command in ("section-3-2", "section-3-3", "status"):
        assert message in robint(command, "--preset", "smoke", *args, code=2)


def test_roar_scores_a_users_network_once(robint, tmp_path):
    robint(
        "train",
        "--dataset",
        "cifar10-sample",
        "--save",
        "m.keras",
        "--epochs",
        "1",
        "--n-train",
        "100",
        "--n-test",
        "20",
    )
    args = ["roar", "m.keras", "--dataset", "cifar10-sample", "--epochs", "1", "--fractions", "0.5"]
    args += ["--seeds", "2", "--n-train", "60", "--n-test", "40", "--json", "m_roar.json"]
    text = robint(*args)
    assert "Keep and Retrain (KAR)" in text
    assert "(DiffROAR): difference of test accuracies" in text
    first = artifacts(tmp_path)
    cells = [p for p in first if "RetrainSpec" in str(p)]
    assert len(cells) == 2 * 2 * 3  # occlusions, seeds; random and two attributions
    before = (tmp_path / "m_roar.json").read_bytes()
    robint(*args)
    assert artifacts(tmp_path) == first
    assert (tmp_path / "m_roar.json").read_bytes() == before
    found = json.loads(before)
    assert [t["occlusion"] for t in found["tests"]] == list(OCCLUSIONS)
    assert list(found["diff_roar"]) == list(ATTRIBUTIONS)
    assert found["model"] == "m.keras"
    assert len(found["model_sha256"]) == len(found["network_sha256"]) == 64
    robint(
        "train",
        "--dataset",
        "cifar10-sample",
        "--save",
        "n.keras",
        "--epochs",
        "1",
        "--n-train",
        "100",
        "--seed",
        "1",
        "--n-test",
        "20",
    )
    robint(*[a.replace("m.keras", "n.keras") for a in args])  # other weights, other cells
    assert len([p for p in artifacts(tmp_path) if "RetrainSpec" in str(p)]) == len(cells) + 2 * 2 * 2


def test_roar_explains_by_the_attributions_that_are_asked_for(robint, tmp_path):
    weights = ["--epochs", "0", "--n-train", "10", "--n-test", "10"]
    robint("train", "--dataset", "cifar10-sample", "--save", "m.keras", *weights)
    few = ["--epochs", "1", "--fractions", "0.5", "--seeds", "1", "--n-train", "20", "--n-test", "10"]
    roar = ["roar", "m.keras", "--dataset", "cifar10-sample", *few]
    methods = ["integrated_gradients:steps=2", "gradient", "gradient"]
    text = robint(*roar, *(part for name in methods for part in ("--attribution", name)), "--json", "r.json")
    assert re.search(r"^IG \(steps 2\) +\d", text, re.MULTILINE)
    assert re.search(r"^IG \(steps 2\): sums over an image are off by .* of what they explain$", text, re.MULTILINE)
    found = json.loads((tmp_path / "r.json").read_text())
    names = [row["attribution"] for row in found["tests"][0]["attributions"]]
    assert names == ["integrated_gradients(steps=2,baseline=fill)", "gradient"]
    assert list(found["completeness"]) == names[:1]
    made = artifacts(tmp_path)
    assert len([p for p in made if "RetrainSpec" in str(p)]) == 2 * 3  # occlusions; random and two attributions


def test_roar_refuses_an_attribution_that_has_no_rule_for_a_layer_before_anything_is_trained(robint, tmp_path):
    bent = keras.Sequential(
        [
            keras.layers.Input((32, 32, 3)),
            keras.layers.Conv2D(2, 5, 4, activation="tanh", name="bent"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    bent.save(tmp_path / "bent.keras")
    few = ["--epochs", "1", "--fractions", "0.5", "--seeds", "1", "--n-train", "20", "--n-test", "10"]
    text = robint("roar", "bent.keras", "--dataset", "cifar10-sample", *few, "--attribution", "deeplift", code=2)
    assert "layer 'bent' (Conv2D) has no rule in this attribution" in text
    assert not [p for p in artifacts(tmp_path) if "RetrainSpec" in str(p)]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.keras"], "does not exist"),
        (["nowhere.keras", "--dataset", "toy"], "no pixels"),
        (["m.keras", "--attribution", "saliency"], "attribution is 'saliency'; choose one of gradient"),
        (["m.keras", "--attribution", "integrated_gradients:steps=0"], "steps is 0; give a whole number"),
    ],
)
def test_roar_refuses_what_it_cannot_explain(robint, args, message):
    assert message in robint("roar", "--dataset", "cifar10-sample", *args, code=2)
