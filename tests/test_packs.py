"""Finished measurements travel between stores, and only sound ones."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from robint_tf.specs import (
    AccuracySpec,
    ClassifierSpec,
    ControlSpec,
    CurveSpec,
    GradientSpec,
    OwnGradientSpec,
    RetrainSpec,
    SavedNetwork,
    Training,
    VAEGANSpec,
    as_dict,
)
from robint_tf.store import artifacts, folders, packs, results
from robint_tf.store.artifacts import Store

NETWORK = ClassifierSpec(dataset="mnist", training=Training(epochs=2))
CELL = RetrainSpec(
    dataset="mnist",
    source=NETWORK,
    attribution="gradient",
    occlusion="remove",
    fraction=0.1,
    training=Training(epochs=2, seed=1000),
)
RNG = np.random.default_rng(0)
HELD = {
    CELL: {"accuracy": np.array(0.1 + 0.2), "test_hits": np.arange(20).reshape(2, 10), "epoch_loss": RNG.random(2)},
    AccuracySpec(classifier=NETWORK): {"value": np.array(1 / 3), "n": np.array(7), "odd": np.array([np.nan, np.inf])},
    CurveSpec(classifier=NETWORK): {"test_hits": RNG.integers(0, 1000, (20, 10)), "ok": RNG.random(99) < 0.5},
}
MADE_WITH = {"tensorflow": "2.21.0", "threads": 1}


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "store")
    for spec, arrays in HELD.items():
        found.fetch(spec, lambda _, arrays=arrays: (arrays, {"seconds": 1.5}), "data", made_with=MADE_WITH)
    found.fetch(NETWORK, lambda _: ({"w0": np.zeros(1000)}, {}), "data", made_with=MADE_WITH)
    return found


@pytest.fixture
def pack(store, tmp_path):
    assert packs.write(tmp_path / "cells.json", store) == len(HELD)
    return tmp_path / "cells.json"


def test_measurements_come_back_bit_by_bit_without_the_network(pack, tmp_path):
    other = Store(tmp_path / "other")
    assert packs.unpack(pack, other) == packs.Moved(new=3, known=0)
    for spec, arrays in HELD.items():
        found = other.load(spec, "data")
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
        assert other.notes(spec, "data") == {"seconds": 1.5}
    assert other.parts.summary() == MADE_WITH
    assert not other.has(NETWORK, "data")
    assert packs.unpack(pack, other) == packs.Moved(new=0, known=3)


def test_entries_whose_spec_has_got_a_field_since_are_passed_over_and_the_others_taken(pack, tmp_path):
    content = results.read(pack)
    (cell,) = (entry for entry in content["entries"] if entry["spec"]["kind"] == "RetrainSpec")
    del cell["spec"]["mask_seed"]
    cell["key"] = artifacts.key_of(cell["spec"], cell["inputs"])
    results.write(tmp_path / "older.json", content)
    other = Store(tmp_path / "other")
    assert packs.unpack(tmp_path / "older.json", other) == packs.Moved(new=2, known=0, older=1)
    assert not other.has(CELL, "data")
    cell["key"] = "0" * 20
    results.write(tmp_path / "odd.json", content)
    with pytest.raises(packs.PackError, match="does not give the key"):
        packs.unpack(tmp_path / "odd.json", other)


def test_a_pack_of_equal_results_has_equal_bytes(pack, store, tmp_path):
    packs.write(tmp_path / "again.json", store)
    assert (tmp_path / "again.json").read_bytes() == pack.read_bytes()


def edited(pack, change, *, sign):
    """The pack after a change, with a hash that fits (sign) or not."""
    content = json.loads(pack.read_text())
    change(content)
    if sign:
        content.pop("sha256")
        content.pop("schema")
        pack.unlink()
        results.write(pack, content)
    else:
        pack.write_text(json.dumps(content))


def set_accuracy(content):
    cell = next(e for e in content["entries"] if e["spec"]["kind"] == "RetrainSpec")
    cell["arrays"]["accuracy"]["values"] = [0.99]


def test_a_pack_that_was_edited_is_refused_by_name(pack, tmp_path):
    edited(pack, set_accuracy, sign=False)
    with pytest.raises(results.ResultsError, match=r"cells\.json was changed after it was written"):
        packs.unpack(pack, Store(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def other_recipe(content):
    content["entries"][0]["spec"]["n_test"] = 5


def other_type(content):
    array = next(iter(content["entries"][-1]["arrays"].values()))
    array["type"] = "object"


def too_large(content):
    array = next(iter(content["entries"][-1]["arrays"].values()))
    array["shape"] = [2**40]


def too_short(content):
    for entry in content["entries"]:
        for array in entry["arrays"].values():
            if "zlib" in array:
                array["shape"] = [array["shape"][0] + 1, *array["shape"][1:]]


def a_network(content):
    content["entries"][0]["spec"] = content["entries"][0]["spec"]["classifier"]


@pytest.mark.parametrize("change", [other_recipe, other_type, too_large, too_short, a_network, dict.clear])
def test_entries_that_do_not_fit_are_refused_and_nothing_is_written(pack, tmp_path, change):
    edited(pack, (lambda c: c["entries"][0].clear()) if change is dict.clear else change, sign=True)
    with pytest.raises(packs.PackError, match=r"cells\.json(: entry \d| says that it holds)"):
        packs.unpack(pack, Store(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_numbers_of_another_version_of_the_mathematics_are_refused(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "MATHEMATICS", packs.MATHEMATICS + 1)
    with pytest.raises(packs.PackError, match="version 2 of the mathematics, this is 3"):
        packs.unpack(pack, Store(tmp_path / "other"))


def test_two_results_of_one_recipe_are_not_overwritten(pack, tmp_path):
    other = Store(tmp_path / "other")
    other.fetch(CELL, lambda _: (HELD[CELL] | {"accuracy": np.array(0.5)}, {}), "data", made_with=MADE_WITH)
    with pytest.raises(packs.PackError, match="different results of one recipe"):
        packs.unpack(pack, other)
    assert float(other.load(CELL, "data")["accuracy"]) == 0.5


@pytest.mark.parametrize("damage", [b"", None])
def test_what_is_damaged_in_the_store_is_repaired_from_the_pack_and_kept_aside(pack, store, damage):
    folder = store.folder(CELL, "data")
    if damage is None:
        (folder / folders.MANIFEST).unlink()
    else:
        (folder / folders.ARRAYS).write_bytes(damage)
    with pytest.warns(UserWarning, match=r"moved to .*\.damaged-"):
        assert packs.unpack(pack, Store(store.root)) == packs.Moved(new=1, known=2)
    found = Store(store.root).load(CELL, "data")
    assert all(np.array_equal(found[name], array) for name, array in HELD[CELL].items())
    assert len(list(folder.parent.glob("*.damaged-*"))) == 1
    assert packs.unpack(pack, Store(store.root)) == packs.Moved(new=0, known=3)


def test_an_entry_that_another_process_publishes_meanwhile_is_kept(pack, tmp_path, monkeypatch):
    other, write = Store(tmp_path / "other"), artifacts.write_folder

    def twice(folder, arrays, manifest):
        write(folder, arrays, manifest)
        return write(folder, arrays, manifest)

    monkeypatch.setattr(artifacts, "write_folder", twice)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no other numbers, though there are NaN among them
        assert packs.unpack(pack, other) == packs.Moved(new=3, known=0)
    assert packs.unpack(pack, other) == packs.Moved(new=0, known=3)


def test_a_pack_that_contradicts_the_store_leaves_all_as_it_was(pack, tmp_path):
    other = Store(tmp_path / "other")
    last = list(HELD)[-1]
    other.fetch(last, lambda _: ({"test_hits": np.zeros((1, 2))}, {}), "data", made_with=MADE_WITH)
    with pytest.raises(packs.PackError, match="different results of one recipe"):
        packs.unpack(pack, other)
    assert [p.parent.name for p in other.root.rglob(folders.MANIFEST)] == [other.folder(last, "data").name]


def test_damaged_and_older_entries_stay_behind(store, tmp_path, monkeypatch):
    (store.folder(CELL, "data") / folders.ARRAYS).write_bytes(b"")
    with monkeypatch.context() as older:
        older.setattr(artifacts, "MATHEMATICS", artifacts.MATHEMATICS - 1)
        store.fetch(CELL, lambda _: (HELD[CELL], {}), "older", made_with=MADE_WITH)
    assert packs.write(tmp_path / "cells.json", store) == len(HELD) - 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (ControlSpec(dataset="mnist", source=NETWORK, attribution="gradient"), "fractions"),
        (GradientSpec(classifier=NETWORK, vae_gan=VAEGANSpec(dataset="mnist", epochs=1)), "tolerance"),
        (OwnGradientSpec(source=SavedNetwork(sha256="ab"), vae_gan=SavedNetwork(sha256="cd")), "tolerance"),
    ],
)
def test_measures_of_an_older_kind_are_neither_used_nor_packed(store, tmp_path, monkeypatch, spec, field):
    older = {name: value for name, value in as_dict(spec).items() if name != field}
    with monkeypatch.context() as then:
        then.setattr(artifacts, "as_dict", lambda _: older)
        store.fetch(spec, lambda _: ({"tangent_share": np.ones(3)}, {}), "data", made_with=MADE_WITH)
        assert store.has(spec, "data")
    assert not store.has(spec, "data")
    assert packs.write(tmp_path / "cells.json", store) == len(HELD)
    store.fetch(spec, lambda _: ({"tangent_share": np.zeros(3)}, {}), "data", made_with=MADE_WITH)
    assert packs.write(tmp_path / "cells.json", store) == len(HELD) + 1
    assert packs.unpack(tmp_path / "cells.json", Store(tmp_path / "other")).new == len(HELD) + 1


def test_the_commands_pack_and_unpack(store, robint):
    text = robint("pack", "cells.json", "--store", store.root, "--only", "cells")
    assert "wrote cells.json: 1 measurements" in text
    assert "1 measurements new to" in robint("unpack", "cells.json", "--store", "other")
    assert "0 measurements new to" in robint("unpack", "cells.json", "--store", "other")
    assert "nobody holds no finished measurements; there is nothing to pack" in robint(
        "pack", "empty.json", "--store", "nobody", code=2
    )
    assert "no finished measurements of the kinds asked for; there" in robint(
        "pack", "empty.json", "--store", store.root, "--only", "roads", code=2
    )
    results.write(Path("roar.json"), {"figure": "retraining_curves"})
    assert "roar.json is a results file, not a pack of measurements;" in robint("unpack", "roar.json", code=2)
    assert "cannot be read" in robint("unpack", "nowhere.json", code=2)
