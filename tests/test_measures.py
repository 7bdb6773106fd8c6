"""Measures beyond the paper on the report's page and in documents: as the files say, or not at all."""

import re
from pathlib import Path

import pytest

from robint_experiments import tables as result_tables
from robint_experiments.commands import report as command
from robint_experiments.studies import pictures
from robint_tf.paper import comparison, report, report_markdown
from robint_tf.paper.beyond import measures
from robint_tf.store import results

COMMITTED = Path(__file__).parents[1] / "figures"


def row(network, attribution, **changes):
    scores = {test: {"score": 0.0125, "standard_error": None} for test in ("remove", "keep")}
    shape = {"moran": 0.5, "mean_mask_moran": 0.25, "gini": None, "mean_leakage": 0.375, "chance_leakage": 0.1}
    return {"network": network, "norm": None, "attribution": attribution, **scores, **shape} | changes


PARTIAL = {"value": 0.31, "interval": [-0.2, 0.7]}
GRID = {
    "loss": "xent",
    "controls": [row("standard", "gradient"), row("l2 xent eps 1.6", "gradient_x_input", moran=0.75)],
    "control_maps": [row(None, "edges", chance_leakage=None)],
    "regressors": [
        {
            "series": "L2 XEnt G",
            "occlusion": "keep",
            "measures": {
                "moran": {"correlation": -0.62, "axis_at_equal_measure": PARTIAL},
                "mean_leakage": {"correlation": None, "axis_at_equal_measure": None},
            },
        }
    ],
    "schedules": {
        "readings": ["last epoch", "after 1 of 2"],
        "series": [
            {
                "norm": "l2",
                "attribution": "gradient",
                "occlusion": "keep",
                "readings": [
                    {
                        "reading": reading,
                        "correlation": correlation,
                        "rank_correlation": 0.5,
                        "rank_agreement": 1.0,
                        "mean_difference": -0.001,
                        "mean_absolute_difference": 0.002,
                    }
                    for reading, correlation in (("last epoch", 0.93), ("after 1 of 2", None))
                ],
            }
        ],
    },
    "provenance": {"command": "robint section-3-2 --preset quick", "preset": "quick"},
}
ROAD = {
    "figure": "road",
    "model": "a|b.keras",
    "dataset": "own",
    "data_source": "/somewhere/photos",
    "n_classes": 10,
    "clean": {"accuracy": 0.9, "interval_95": [0.8, 0.95], "n": 1000},
    "fractions": [0.1, 0.9],
    "attributions": [
        {"attribution": "gradient", "most": [0.5, 0.2], "least": [0.85, 0.6], "area": 0.25, "interval": [0.2, 0.3]},
        {"attribution": "centre", "most": [0.5, 0.2], "least": [0.5, 0.2], "area": 0.0, "interval": None},
    ],
    "provenance": {"command": "robint road a.keras"},
}


def measure(mean):
    return {"mean": mean, "interval": [mean - 0.1, mean + 0.1], "n": 6}


GRADIENTS = {
    "figure": "gradients",
    "dataset": "mnist",
    "n_images": 500,
    "problems": [],
    "rare": 0.01,
    "rank": {"mean": 9.5, "least": 8.0},
    "latent_dimensions": 10,
    "chance": {"tangent_share": 0.11, "sensitivity": 1.0, "rare_share": 0.4},
    "nearest": {"tangent_share": measure(0.7), "sensitivity": None, "rare_share": measure(0.1)},
    "networks": [
        {
            "name": "Standard",
            "norm": None,
            "loss": None,
            "strength": 0.0,
            **dict.fromkeys(("tangent_share", "sensitivity", "rare_share"), measure(0.3)),
        }
    ],
    "provenance": {"command": "robint gradients", "preset": "quick"},
}


@pytest.fixture
def folder(tmp_path):
    """A grid, ROAD of a network and of another, and gradients."""
    place = tmp_path / "figures"
    old = results.read(COMMITTED / "section_3_2_xent.json")
    provenance = {"provenance": old["provenance"]}
    results.write(place / "section_3_2_xent.json", old | GRID | provenance)
    results.write(place / "road_a.json", ROAD)
    results.write(place / "road_b.json", ROAD | {"model": "b.keras", "dataset": "cifar10"})
    results.write(place / "gradients_mnist.json", GRADIENTS)
    return place


def titles(found):
    return [table["title"] for table in found["beyond"]["tables"]]


def test_every_measure_has_its_table_on_the_page(folder):
    found = comparison.compare(comparison.collect(folder))
    shape, series, epochs, roads, gradients = found["beyond"]["tables"]
    assert shape["heads"][4:] == [
        "Moran's I of maps",
        "of masks",
        "class read from masks",
        "from random masks",
    ]  # no Gini
    assert shape["rows"] == [
        ["none", "edges", "0.0125", "0.0125", "0.500", "0.250", "0.375", "–"],
        ["standard", "G", "0.0125", "0.0125", "0.500", "0.250", "0.375", "0.100"],
        ["l2 xent eps 1.6", "GX", "0.0125", "0.0125", "0.750", "0.250", "0.375", "0.100"],
    ]
    assert series["rows"] == [["KAR L2 XEnt G", "-0.62", "0.31 (-0.20 to 0.70)", "–", "–"]]
    assert [r[:5] for r in epochs["rows"]] == [
        ["KAR L2 G", "last epoch", "0.93", "0.50", "1.00"],
        ["KAR L2 G", "after 1 of 2", "–", "0.50", "1.00"],
    ]
    first, point, *others = roads["rows"]
    assert first == [
        *("a|b.keras", "photos, 1,000 images", "90.00%", "G", "0.2500 (0.2000 to 0.3000)"),
        *("20.0% to 50.0%", "60.0% to 85.0%", "road_a.json"),
    ]
    assert point[4] == "0.0000"
    assert [r[1] for r in others] == ["CIFAR-10, 1,000 images"] * 2
    assert gradients["rows"][0] == ["Standard", *["0.300 (0.200 to 0.400)"] * 3]
    assert gradients["rows"][1][2] == "–"
    assert "9.5 dimensions, 8 at least" in gradients["note"]
    page, text = report.html(found, {}, []), report_markdown.markdown(found, {})
    for table in found["beyond"]["tables"]:
        assert f"<h3>{table['title']}</h3>".replace("'", "&#x27;") in page
        assert f"\n### {table['title']}\n" in text
    assert "<td data-head='map'>edges</td>" in page
    assert "| a\\|b.keras | photos, 1,000 images |" in text
    assert page.index("<h3>ROAD") > page.index("id='beyond'")


def test_measures_of_a_poor_vae_gan_are_not_shown():
    table = measures.gradients(GRADIENTS | {"problems": ["it is poor"]})
    assert table.rows[0] == ["Standard", "not valid", "not valid", "0.300 (0.200 to 0.400)"]
    assert "cannot stand for the manifold: it is poor." in table.note


def test_results_of_an_older_release_have_no_table(tmp_path):
    committed = results.read(COMMITTED / "section_3_2_xent.json")
    plain = {k: v for k, v in committed.items() if k not in ("controls", "control_maps", "regressors", "schedules")}
    results.write(tmp_path / "section_3_2_xent.json", plain)
    found = comparison.compare(comparison.collect(tmp_path))
    assert found["beyond"]["tables"] == []
    assert "<h3>" not in report.html(found, {}, []).split("id='beyond'")[1]
    old = GRID | {"controls": [row("standard", "gradient", mean_mask_moran=None)], "control_maps": []}
    del old["controls"][0]["chance_leakage"]  # of the release in which both were not measured
    del old["schedules"]
    assert measures.controls(old).heads[4:] == ["Moran's I of maps", "class read from masks"]
    assert measures.schedules(old) is None
    one = GRID | {"schedules": GRID["schedules"] | {"readings": ["last epoch"]}}
    assert measures.schedules(one) is None
    assert measures.roads({}) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("section_3_2_xent", {"controls": [{"network": "standard"}]}),
        ("road_a", {"attributions": [{"attribution": "gradient", "area": "much"}]}),
        ("gradients_mnist", {"networks": 3}),
    ],
)
def test_what_cannot_be_shown_is_named_and_hides_nothing_else(folder, name, content):
    results.write(folder / f"{name}.json", results.read(folder / f"{name}.json") | content)
    whole, found = 5, comparison.compare(comparison.collect(folder))
    assert re.search("its measures cannot be shown .*; run its command again", found["not_shown"][f"{name}.json"])
    assert len(titles(found)) == whole - (0 if name == "road_a" else 1)
    assert any(claim["ours"]["verdict"] != "not run" for claim in found["claims"])  # of the grid's own scores


def test_documents_show_the_same_tables(folder):
    collection = comparison.collect(folder)
    made = result_tables.all_tables(collection, comparison.compare(collection))
    names = ("controls_xent", "regressors_xent", "schedules_xent", "road")
    text = "".join(f"{command.BEGIN.format(n)}\n{command.END.format(n)}\n" for n in names)
    text = command.summarised(text, comparison.compare(collection), collection)
    assert "| standard | G | 0.0125 | 0.0125 | 0.500 |" in text
    assert "| KAR L2 XEnt G | -0.62 | 0.31 (-0.20 to 0.70) |" in text
    assert "| KAR L2 G | last epoch | 0.93 |" in text
    assert "| b.keras | CIFAR-10, 1,000 images | 90.00% | G |" in text
    assert made["road"]() in text


def test_figures_of_road_and_gradients_are_on_the_page(folder, monkeypatch):
    monkeypatch.setattr(pictures, "_png", lambda figure: "")
    monkeypatch.setattr(pictures, "_authors", tuple)
    (folder / "section_3_2_xent.json").unlink()
    own = {
        "figure": "gradient_measures",
        "model": "m.keras",
        "dataset": "own",
        "data_source": "p.npz",
        "chance": {"a": 1},
    }
    own |= {"values": {"a": {"dtype": "float64", "shape": [3], "values": [0.1, 0.2, 0.3]}}, "provenance": {}}
    results.write(folder / "gradient_measures_m.json", own)
    drawn, undrawn = pictures.pictures(comparison.collect(folder), set())
    assert not undrawn
    assert {p.section for p in drawn} == {"beyond"}
    assert [p.title.split(": ", 1)[1] for p in drawn] == [
        "how loss gradients lie to the image manifold, MNIST, ours (preset quick; gradients_mnist.json)",
        "measures of loss gradients, m.keras, p.npz, ours (gradient_measures_m.json)",
        "accuracy without the most and the least relevant pixels (ROAD), a|b.keras, photos, ours (road_a.json)",
        "accuracy without the most and the least relevant pixels (ROAD), b.keras, CIFAR-10, ours (road_b.json)",
    ]
