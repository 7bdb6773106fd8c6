import contextlib
import dataclasses
import json
import multiprocessing
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robint_tf import specs
from robint_tf.data.datasets import Split
from robint_tf.errors import InputError
from robint_tf.specs import (
    PGD,
    AccuracySpec,
    ClassifierSpec,
    CurveSpec,
    DistanceSpec,
    OwnGradientSpec,
    RetrainSpec,
    SavedNetwork,
    Training,
    VAEGANSpec,
)
from robint_tf.store import artifacts, folders
from robint_tf.store.artifacts import Store, spec_key
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.store.provenance import MixedError

SPEC = ClassifierSpec(dataset="toy", training=Training(epochs=1), attack=PGD(norm="l2", eps=0.3, step_size=2.0))


def build(checkpoint=None, value=1.0):
    return {"w0": np.full(3, value)}, {"seconds": 0.1}


def test_an_artifact_is_built_once(tmp_path):
    calls = []

    def counted(checkpoint):
        calls.append(1)
        return build()

    for _ in range(2):
        assert Store(tmp_path).fetch(SPEC, counted, "data")["w0"].tolist() == [1, 1, 1]
    assert len(calls) == 1
    assert Store(tmp_path).notes(SPEC, "data") == {"seconds": 0.1}
    manifest = json.loads((Store(tmp_path).folder(SPEC, "data") / "manifest.json").read_text())
    assert specs.from_dict(manifest["spec"]) == SPEC


CLASSIFIER = ClassifierSpec(dataset="mnist", training=Training(epochs=1), attack=PGD(norm="l2", eps=1, step_size=2))
VAE_GAN = VAEGANSpec(dataset="mnist", epochs=1)
RECIPES = [
    CLASSIFIER,
    VAE_GAN,
    CurveSpec(classifier=CLASSIFIER),
    AccuracySpec(classifier=CLASSIFIER, attack=PGD(norm="l2", eps=1, step_size=2)),
    DistanceSpec(
        classifier=CLASSIFIER,
        reference=ClassifierSpec(dataset="mnist", training=Training(epochs=2)),
        vae_gan=VAE_GAN,
        attack=PGD(norm="l2", eps=1, step_size=2),
    ),
    RetrainSpec(
        dataset="mnist",
        source=CLASSIFIER,
        attribution="gradient",
        occlusion="remove",
        fraction=0.5,
        training=Training(epochs=3),
    ),
    RetrainSpec(
        dataset="mnist",
        source=SavedNetwork(sha256="ab"),
        attribution="gradient",
        occlusion="remove",
        fraction=0.5,
        training=Training(epochs=3),
    ),
    OwnGradientSpec(source=SavedNetwork(sha256="ab"), vae_gan=SavedNetwork(sha256="ab")),
]
OTHER = {
    "dataset": "cifar10",
    "architecture": "cifar_cnn",
    "variant": "paper",
    "precision": "mixed_bfloat16",
    "norm": "linf",
    "loss": "cw",
    "attribution": "gradient_x_input",
    "occlusion": "keep",
    "fraction": 0.25,
    "eps": 0.31,
    "step_size": 1.5,
    "tolerance": 0.1,
    "learning_rate": 0.1,
    "sha256": "cd",
    "attack": PGD(norm="linf", eps=5, step_size=1),  # where there is none
    "n_train": 5,
    "n_test": 6,
    "trades": 6.0,
}


def variations(spec):
    """The spec with one field changed, at any depth, for every field; what was changed."""
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if dataclasses.is_dataclass(value):
            for where, changed in variations(value):
                yield f"{field.name}.{where}", dataclasses.replace(spec, **{field.name: changed})
        elif isinstance(value, bool):
            yield field.name, dataclasses.replace(spec, **{field.name: not value})
        elif field.name == "trades" and spec.attack is None:
            continue  # which is refused
        elif field.name in OTHER:
            of_vae_gan = isinstance(spec, VAEGANSpec) and field.name == "architecture"
            yield field.name, dataclasses.replace(spec, **{field.name: "cifar10" if of_vae_gan else OTHER[field.name]})
        else:
            assert isinstance(value, int), field.name  # a field of another kind needs an entry in OTHER
            yield field.name, dataclasses.replace(spec, **{field.name: value + 1})
    if getattr(spec, "attack", None) is not None:
        yield "no attack", dataclasses.replace(spec, attack=None)


@pytest.mark.parametrize("spec", RECIPES, ids=lambda spec: type(spec).__name__)
def test_every_field_at_any_depth_is_part_of_the_key(spec):
    changed = dict(variations(spec))
    keys = {spec_key(spec), *map(spec_key, changed.values())}
    assert len(keys) == 1 + len(changed)


@pytest.mark.parametrize("spec", RECIPES, ids=lambda spec: type(spec).__name__)
def test_recipes_of_the_packages_own_things_hold_plain_names(spec):
    """As they did before there were registries, which add a version to the names of others' things."""
    assert "@" not in json.dumps(specs.as_dict(spec))


def test_recipes_keep_the_names_that_they_had_before_there_was_trades():
    training, attack = Training(epochs=5), PGD(norm="linf", eps=0.2, step_size=0.02)
    standard = ClassifierSpec(dataset="mnist", training=training)
    robust = ClassifierSpec(
        dataset="cifar10", training=Training(epochs=20, seed=3), attack=attack, n_train=10000, variant="authors"
    )
    cell = RetrainSpec(
        dataset="cifar10", source=robust, attribution="gradient", occlusion="keep", fraction=0.5, training=training
    )
    assert spec_key(standard, "60000x28x28x1:ab") == "e784bbfc4194f1ea4c44"
    assert spec_key(robust, "10000x32x32x3:ab") == "0f8119bbee7563eca71e"
    assert spec_key(cell, "a", "b") == "b8f54c6fd76e933d178d"
    assert spec_key(AccuracySpec(classifier=robust, attack=attack, n_test=500), "a", "b") == "aec5bcf4ed0a100ce437"
    by_trades = dataclasses.replace(robust, trades=6)
    assert spec_key(by_trades) != spec_key(robust)
    assert spec_key(by_trades) == spec_key(dataclasses.replace(robust, trades=6.0))


def test_the_data_and_the_version_of_the_mathematics_are_part_of_the_key(monkeypatch):
    keys = {spec_key(SPEC), spec_key(SPEC, "data"), spec_key(SPEC, "other data")}
    monkeypatch.setattr(artifacts, "MATHEMATICS", artifacts.MATHEMATICS + 1)
    assert len(keys | {spec_key(SPEC)}) == 4


def test_images_of_another_shape_with_the_same_bytes_are_other_data():
    x, y = np.zeros((4, 6, 6, 1), np.float32), np.zeros(4, np.int32)
    wide, tall = Split(x, y), Split(x.reshape(4, 4, 9, 1), y)
    assert wide.fingerprint.sha256 == tall.fingerprint.sha256
    assert wide.fingerprint.key != tall.fingerprint.key


def test_an_entry_of_an_older_version_of_the_mathematics_is_not_used(tmp_path, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(artifacts, "MATHEMATICS", artifacts.MATHEMATICS - 1)
        Store(tmp_path).fetch(SPEC, build, "data")
    assert Store(tmp_path).fetch(SPEC, lambda _: build(value=2.0), "data")["w0"].tolist() == [2, 2, 2]


HERE, THERE = {"tensorflow": "2.21.0", "threads": 2, "numpy": "2.0"}, {"tensorflow": "2.18.1", "threads": 2}


def test_parts_made_differently_are_not_mixed_unasked(tmp_path):
    Store(tmp_path).fetch(SPEC, build, "a", made_with=HERE)
    store = Store(tmp_path)
    store.load(SPEC, "a")
    with pytest.raises(MixedError, match=r"tensorflow 2\.21\.0 and 2\.18\.1"):
        store.fetch(SPEC, lambda _: pytest.fail("worked in vain"), "b", made_with=THERE)
    Store(tmp_path).fetch(SPEC, build, "b", made_with=THERE)
    with pytest.raises(MixedError, match="allow mixed parts"):
        store.load(SPEC, "b")
    store = Store(tmp_path, allow_mixed=True)
    store.load(SPEC, "a")
    store.load(SPEC, "b")
    assert store.parts.summary() == {
        "tensorflow": "2.21.0 + 2.18.1",
        "threads": 2,
        "numpy": "2.0 + unknown",
        "mixed": {"tensorflow": ["2.21.0", "2.18.1"]},
    }


def test_an_artifact_says_what_it_was_made_with_not_what_reads_it(tmp_path):
    Store(tmp_path).fetch(SPEC, build, made_with=THERE)
    reader = Store(tmp_path)
    reader.fetch(SPEC, build, made_with=HERE)
    assert reader.parts.summary() == THERE


def test_an_unfinished_training_is_not_continued_by_another_version_unasked(tmp_path):
    Store(tmp_path).checkpoint(SPEC, made_with=THERE).save(1, {"position": np.array(1)})

    def resumed(checkpoint):
        assert int(checkpoint.load()["position"]) == 1
        return build()

    with pytest.raises(MixedError, match=r"2\.18\.1 and 2\.21\.0"):
        Store(tmp_path).fetch(SPEC, resumed, made_with=HERE)
    store = Store(tmp_path, allow_mixed=True)
    store.fetch(SPEC, resumed, made_with=HERE)
    assert store.parts.summary()["tensorflow"] == "2.18.1 + 2.21.0"


@given(st.integers(1, 10**6), st.integers(0, 6))
def test_a_number_has_one_key_however_it_was_computed(mantissa, places):
    exact = float(f"{mantissa}e-{places}")
    looped = sum([exact / 3] * 3)
    keys = {spec_key(PGD(norm="l2", eps=e, step_size=1.0)) for e in (exact, looped, float(f"{exact:.6e}"))}
    assert len(keys) == 1


def test_the_usual_spellings_of_a_number_are_equal():
    assert PGD(norm="l2", eps=0.1 + 0.2, step_size=1) == PGD(norm="l2", eps=0.3, step_size=1.0)
    assert PGD(norm="l2", eps=8e-2, step_size=1) == PGD(norm="l2", eps=0.08, step_size=1)


def test_a_failing_build_leaves_nothing(tmp_path):
    def fails(checkpoint):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Store(tmp_path).fetch(SPEC, fails)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty manifest", "no manifest", "no arrays"])
def test_a_damaged_artifact_is_set_aside_and_made_again(tmp_path, damage):
    store = Store(tmp_path)
    store.fetch(SPEC, build)
    folder = store.folder(SPEC)
    arrays, manifest = folder / "arrays.npz", folder / "manifest.json"
    content = arrays.read_bytes()
    {
        "cut": lambda: arrays.write_bytes(content[: len(content) // 2]),
        "flip": lambda: arrays.write_bytes(content[:90] + bytes([content[90] ^ 1]) + content[91:]),
        "empty manifest": lambda: manifest.write_text(""),
        "no manifest": manifest.unlink,
        "no arrays": arrays.unlink,
    }[damage]()
    with pytest.warns(UserWarning, match="made again"):
        assert store.fetch(SPEC, lambda _: build(value=2.0))["w0"].tolist() == [2, 2, 2]
    assert len(list(folder.parent.glob("*.damaged-*"))) == 1


def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path):
    checkpoint = Checkpoint(tmp_path / "x.checkpoint")
    for position in (10, 20, 30):
        checkpoint.save(position, {"position": np.array(position)})
    assert len(list(checkpoint.folder.iterdir())) == 2
    newest = checkpoint.folder / f"{30:012d}" / "arrays.npz"
    newest.write_bytes(newest.read_bytes()[:50])
    with pytest.warns(UserWarning, match="checkpoint before"):
        assert int(checkpoint.load()["position"]) == 20
    checkpoint.clear()
    assert checkpoint.load() is None


def _race(root, value, barrier, results, leases):
    if not leases:  # as on a file system that loses them
        artifacts.Lease = lambda path, **options: contextlib.nullcontext()
    for round_ in range(ROUNDS):
        barrier.wait()
        results.put(
            (round_, float(Store(root / str(round_)).fetch(SPEC, lambda _: build(value=float(value)))["w0"][0]))
        )


ROUNDS = 20


@pytest.mark.parametrize("leases", [True, False])
def test_processes_that_build_the_same_artifact_do_not_disturb_each_other(tmp_path, leases):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=_race, args=(tmp_path, i, barrier, results, leases), daemon=True) for i in range(3)
    ]
    for worker in workers:
        worker.start()
    seen = [results.get(timeout=60) for _ in range(3 * ROUNDS)]  # one that died leaves the others at the barrier
    for worker in workers:
        worker.join()
    assert [w.exitcode for w in workers] == [0, 0, 0]
    for round_ in range(ROUNDS):
        kept = Store(tmp_path / str(round_)).load(SPEC)["w0"][0]
        assert {value for r, value in seen if r == round_} == {kept}
    assert not list(tmp_path.rglob("*.part-*"))


@pytest.mark.parametrize("differs", [False, True])
def test_the_loser_of_a_race_returns_what_the_winner_published_and_reports_a_difference(tmp_path, differs):
    store = Store(tmp_path)

    def build_while_another_finishes(checkpoint):
        folders.write_folder(store.folder(SPEC), {"w0": np.ones(3)}, {"notes": {}})
        return build(value=2.0 if differs else 1.0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert store.fetch(SPEC, build_while_another_finishes)["w0"].tolist() == [1, 1, 1]
    assert ["came to other numbers" in str(w.message) for w in caught] == [True] * differs


def damage(store):
    """Publish an artifact of SPEC that does not match its hash."""
    folders.write_folder(store.folder(SPEC), *build())
    (store.folder(SPEC) / "arrays.npz").write_bytes(b"damaged")


def asides(store):
    return sorted(store.folder(SPEC).parent.glob("*.damaged-*"))


def test_work_is_published_although_something_damaged_took_its_place_meanwhile(tmp_path):
    store = Store(tmp_path)

    def build_while_another_fails(checkpoint):
        damage(store)
        return build(value=2.0)

    with pytest.warns(UserWarning, match="made again"):
        assert store.fetch(SPEC, build_while_another_fails, made_with={"threads": 2})["w0"].tolist() == [2, 2, 2]
    assert Store(tmp_path).load(SPEC)["w0"].tolist() == [2, 2, 2]
    assert store.parts.summary() == {"threads": 2}
    assert len(asides(store)) == 1


def at_the_next(monkeypatch, function, action):
    """Have another process do something right before this one calls a function of `os`."""
    call = getattr(os, function)

    def late(*args):
        monkeypatch.setattr(os, function, call)
        action()
        return call(*args)

    monkeypatch.setattr(os, function, late)


def test_what_another_process_published_in_place_of_something_damaged_is_not_moved_aside(tmp_path, monkeypatch):
    """A process that was stopped for minutes has read the damaged artifact, but not moved it yet."""
    store, other = Store(tmp_path), Store(tmp_path)
    damage(store)

    def repair():
        with pytest.warns(UserWarning, match="made again"):
            assert other._read_or_set_aside(other.folder(SPEC)) is None
        other.publish(SPEC, {"w0": np.full(3, 2.0)}, {})

    at_the_next(monkeypatch, "replace", repair)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.fetch(SPEC, lambda _: pytest.fail("made again"))["w0"].tolist() == [2, 2, 2]
    assert Store(tmp_path).load(SPEC)["w0"].tolist() == [2, 2, 2]
    assert len(asides(store)) == 1


def test_a_damaged_artifact_that_another_process_moves_aside_first_is_no_error(tmp_path, monkeypatch):
    store, other = Store(tmp_path), Store(tmp_path)
    damage(store)

    def move():
        with pytest.warns(UserWarning, match="made again"):
            other._read_or_set_aside(other.folder(SPEC))

    at_the_next(monkeypatch, "replace", move)
    assert store.fetch(SPEC, lambda _: build(value=2.0))["w0"].tolist() == [2, 2, 2]
    assert len(asides(store)) == 1


def test_what_stood_in_the_way_and_is_gone_is_no_error(tmp_path, monkeypatch):
    """Another process moves a damaged folder aside between the refused rename and the look at what refused it."""
    store = Store(tmp_path)
    rename = os.rename

    def refused(source, target):
        monkeypatch.setattr(os, "rename", rename)
        damage(store)
        try:
            rename(source, target)
        finally:
            rename(target, f"{target}.damaged-00000000")

    monkeypatch.setattr(os, "rename", refused)
    assert folders.write_folder(store.folder(SPEC), *build(value=2.0))
    assert store.load(SPEC)["w0"].tolist() == [2, 2, 2]


@pytest.mark.filterwarnings("ignore:.*made again")
def test_processes_that_find_the_same_damaged_artifact_end_with_one_that_is_whole(tmp_path):
    """Without leases, as on a file system that loses them."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    for round_ in range(ROUNDS):
        damage(Store(tmp_path / str(round_)))
    workers = [
        context.Process(target=_race, args=(tmp_path, i, barrier, results, False), daemon=True) for i in range(3)
    ]
    for worker in workers:
        worker.start()
    seen = [results.get(timeout=60) for _ in range(3 * ROUNDS)]
    for worker in workers:
        worker.join()
    assert [w.exitcode for w in workers] == [0, 0, 0]
    for round_ in range(ROUNDS):
        kept = Store(tmp_path / str(round_)).load(SPEC)["w0"][0]
        assert {value for r, value in seen if r == round_} <= {0.0, 1.0, 2.0}
        assert kept in (0.0, 1.0, 2.0)


def test_an_empty_name_of_a_store_is_refused_and_the_working_folder_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"'' names no folder for the store; give one, such as '\.'"):
        Store("")
    for here in (".", Path()):
        Store(here).fetch(SPEC, build)
    assert len(list(tmp_path.glob("ClassifierSpec/*/manifest.json"))) == 1


def test_a_folder_that_cannot_be_published_for_another_reason_is_an_error(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        folders.write_folder(tmp_path / "a", {"w0": np.ones(3)}, {})
    assert not list(tmp_path.iterdir())


def test_a_pickle_in_an_artifact_is_not_loaded(tmp_path):
    folder = Store(tmp_path).folder(SPEC)
    folders.write_folder(folder, {"w0": np.array([{"code": print}], dtype=object)}, {"notes": {}})
    with pytest.warns(UserWarning, match="cannot be read"):
        assert Store(tmp_path).load(SPEC) is None


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")

    def fail_half_way():
        with folders.atomic_path(target) as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", " "])
def test_a_checkpoint_period_that_is_none_is_refused(tmp_path, monkeypatch, seconds):
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", seconds)
    with pytest.raises(ValueError, match="ROBINT_CHECKPOINT_SECONDS is"):
        Checkpoint(tmp_path / "x.checkpoint")


def test_a_state_is_due_once_the_period_is_over(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "0")
    assert Checkpoint(tmp_path / "x.checkpoint").due()
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "1000")
    checkpoint = Checkpoint(tmp_path / "x.checkpoint")
    assert not checkpoint.due()
    checkpoint._last_save -= 1001
    assert checkpoint.due()
    checkpoint.save(1, {"a": np.zeros(1)})
    assert not checkpoint.due()
