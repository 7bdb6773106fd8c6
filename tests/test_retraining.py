from dataclasses import replace

import keras
import numpy as np
import pytest

from robint_tf import recipes
from robint_tf.catalogue import NETWORK_FREE
from robint_tf.data import datasets as data
from robint_tf.interpretability import attributions, controls, occlusion, retraining
from robint_tf.interpretability.retraining import Occluder, cell_inputs, measured_controls, retrained_accuracy
from robint_tf.networks import classifiers
from robint_tf.runtime import device
from robint_tf.runtime.seeds import derive_seed
from robint_tf.specs import (
    FRACTIONS,
    ClassifierSpec,
    ControlSpec,
    GradientSpec,
    OwnGradientSpec,
    RetrainSpec,
    RoadSpec,
    SavedNetwork,
    Training,
    VAEGANSpec,
    as_dict,
    from_dict,
)
from robint_tf.store import artifacts
from robint_tf.store.artifacts import Store

SOURCE = ClassifierSpec(dataset="cifar10_sample", training=Training(epochs=0))
CELL = RetrainSpec(
    dataset="cifar10_sample",
    source=SOURCE,
    attribution="gradient",
    occlusion="remove",
    fraction=0.3,
    training=Training(epochs=1, batch_size=20, seed=1000),
    n_train=40,
    n_test=30,
)
RANDOM = replace(CELL, source=None, attribution="random")


@pytest.fixture(scope="module")
def images():
    return data.load("cifar10_sample", offline=True)


def occluder_of(images, tmp_path):
    return Occluder(recipes.Networks(images, Store(tmp_path)))


@pytest.fixture(scope="module")
def network():
    """What SOURCE describes: no epochs, seed 0."""
    return classifiers.build("cifar_cnn")


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("attribution", ["gradient", "gradient_x_input"])
def test_a_cell_sees_the_authors_occlusion_of_both_splits(images, network, attribution, keep, tmp_path):
    spec = replace(CELL, attribution=attribution, occlusion="keep" if keep else "remove")
    train, test = occluder_of(images, tmp_path).splits(spec)
    np.testing.assert_array_equal(train.y, images.train.y[:40])
    np.testing.assert_array_equal(test.y, images.test.y[:30])
    mean = occlusion.channel_mean(images.train.x[:40])
    n = {False: 307, True: 717}[keep]  # of 1,024 pixels: the authors' strict percentile rule
    for split, original, fill in ((train, images.train.x[:40], mean), (test, images.test.x[:30], np.trunc(mean))):
        changed = (split.x != original).any(axis=-1)
        replaced = np.isclose(split.x, fill / 127.5 - 1, atol=1e-6).all(axis=-1)
        assert (changed <= replaced).all()
        assert (replaced.sum(axis=(1, 2)) >= n).all()  # a pixel may have the fill's colour by itself
        assert (changed.sum(axis=(1, 2)) <= n).all()
        scores = attributions.attribute(network, original, attribution)
        hidden, shown = (np.where(mask, scores, np.nan) for mask in (changed, ~replaced))
        less, more = (hidden, shown) if keep else (shown, hidden)
        assert (np.nanmax(less, axis=(1, 2)) <= np.nanmin(more, axis=(1, 2)) + 2e-8).all()


@pytest.mark.parametrize("variant", ["authors", "corrected"])
def test_attributions_compare_images_with_the_colour_of_occluded_pixels(images, network, tmp_path, variant):
    spec = replace(CELL, attribution="integrated_gradients:steps=2", variant=variant)
    found = occluder_of(images, tmp_path).splits(spec)
    fills = occlusion.fill_values(occlusion.channel_mean(images.train.x[:40]), variant=variant)
    for part, (split, original, fill) in enumerate(
        zip(found, (images.train.x[:40], images.test.x[:30]), fills, strict=True)
    ):
        maps = attributions.attribute(network, original, spec.attribution, variant=variant, baseline=fill)
        ranks = occlusion.ranks(maps, seed=derive_seed(0, part), variant=variant)
        np.testing.assert_array_equal(split.x, occlusion.occlude(original, ranks, 0.3, fill, "remove"))


def test_maps_are_made_once_per_network_and_attribution(images, tmp_path, monkeypatch):
    made, attribute = [], attributions.attribute
    monkeypatch.setattr(attributions, "attribute", lambda *a, **k: made.append(1) or attribute(*a, **k))
    occluder = occluder_of(images, tmp_path)
    for fraction in (0.3, 0.5):
        for kind in ("remove", "keep"):
            for seed in (1000, 1001):
                training = replace(CELL.training, seed=seed)
                occluder.splits(replace(CELL, fraction=fraction, occlusion=kind, training=training))
    assert len(made) == 2  # training and test images
    occluder.splits(replace(CELL, attribution="gradient_x_input"))
    assert len(made) == 4


def test_the_seeds_of_a_cell_train_on_the_same_images(images, tmp_path):
    occluder = occluder_of(images, tmp_path)
    first = occluder.splits(CELL)
    second = occluder.splits(replace(CELL, training=replace(CELL.training, seed=5)))
    assert first is second


def test_the_random_baseline_is_another_mask_for_every_cell_and_split(images, tmp_path):
    occluder = occluder_of(images, tmp_path)

    def masks(spec):
        train, test = occluder.splits(spec)
        return (train.x[:30] != images.train.x[:30]).any(-1), (test.x != images.test.x[:30]).any(-1)

    train, test = masks(RANDOM)
    again, _ = masks(RANDOM)
    other, _ = masks(replace(RANDOM, mask_seed=1))
    kept, _ = masks(replace(RANDOM, occlusion="keep"))
    np.testing.assert_array_equal(train, again)
    assert 0.25 < train.mean() < 0.35
    assert 0.65 < kept.mean() < 0.75
    assert (train != test).any()
    assert (train != other).any()
    assert (train == ~kept).mean() < 0.7  # no complement of the other


def test_a_cell_is_trained_once_and_its_data_are_part_of_its_name(images, tmp_path, monkeypatch):
    trained = []
    fit = retraining.fit_classifier
    monkeypatch.setattr(retraining, "fit_classifier", lambda *a, **k: trained.append(1) or fit(*a, **k))
    first = retrained_accuracy(CELL, occluder_of(images, tmp_path))
    again = retrained_accuracy(CELL, occluder_of(images, tmp_path))
    assert first == again
    assert 0 <= first <= 1
    assert len(trained) == 1
    retrained_accuracy(replace(CELL, n_train=39), occluder_of(images, tmp_path))
    retrained_accuracy(RANDOM, occluder_of(images, tmp_path))
    assert len(trained) == 3


def test_a_cell_is_trained_as_a_standard_network_on_the_occluded_images(images, tmp_path):
    """By hand: occlude, train, count right answers."""
    found = retrained_accuracy(CELL, occluder := occluder_of(images, tmp_path))
    train, test = occluder.splits(CELL)
    fresh = classifiers.build("cifar_cnn", seed=7)
    retraining.fit_classifier(fresh, train.x, train.y, CELL.training)
    right = np.asarray(fresh(test.x)).argmax(axis=-1) == test.y
    assert found == pytest.approx(right.mean())
    kept = occluder.networks.store.load(CELL, *retraining.cell_inputs(CELL, images))
    assert kept["test_hits"].tolist() == [[right.sum()]]


def test_a_cell_trains_the_architecture_that_its_recipe_names_and_no_other(images, tmp_path):
    """The other network's cell once came back with the first one's accuracy."""
    other = keras.Sequential([keras.layers.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    with pytest.raises(ValueError, match="not the architecture cifar_cnn"):
        retrained_accuracy(CELL, occluder_of(images, tmp_path), network=other)
    spec = replace(CELL, architecture=classifiers.architecture_of(other))
    retrained_accuracy(CELL, occluder_of(images, tmp_path))
    retrained_accuracy(spec, occluder_of(images, tmp_path), network=other)
    store, inputs = Store(tmp_path), retraining.cell_inputs(CELL, images)
    assert store.load(CELL, *inputs)["epoch_loss"] != store.load(spec, *inputs)["epoch_loss"]


def test_a_saved_network_is_explained_only_under_its_own_name(images, network, tmp_path):
    networks = recipes.Networks(images, Store(tmp_path))
    spec = replace(CELL, source=SavedNetwork(sha256=classifiers.fingerprint(network)))
    expected, _ = occluder_of(images, tmp_path).splits(CELL)
    found, _ = Occluder(networks, own=network).splits(spec)
    np.testing.assert_array_equal(found.x, expected.x)
    for occluder in (Occluder(networks), Occluder(networks, own=classifiers.build("cifar_cnn", seed=1))):
        with pytest.raises(ValueError, match="the recipe names the network"):
            occluder.splits(spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": 0.0}, "above 0"),
        ({"fraction": 1.0}, "between 0 and 1"),
        ({"occlusion": "hide"}, "remove, keep"),
        ({"attribution": "lime"}, "gradient"),
        ({"attribution": "random"}, "random"),
        ({"source": None}, "^attribution without a network is 'gradient'; choose one of edges, centre, random"),
        ({"attribution": "edges"}, "^attribution is 'edges'; choose one of gradient"),
        ({"n_train": 0}, "at least 1"),
    ],
)
def test_wrong_cells_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CELL, **change)


SHAPE = ControlSpec(dataset="cifar10_sample", source=SOURCE, attribution="gradient", n_train=40, n_test=30)


@pytest.mark.parametrize("attribution", ["edges", "centre"])
def test_maps_that_know_no_network_order_the_pixels_without_one(images, attribution, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a network is used")

    monkeypatch.setattr(recipes, "classifier", fail)
    occluder = occluder_of(images, tmp_path)
    train, test = occluder.splits(replace(RANDOM, attribution=attribution))
    for split, original in ((train, images.train.x[:40]), (test, images.test.x[:30])):
        scores = getattr(controls, attribution)(original)
        changed = (split.x != original).any(axis=-1)
        assert 250 < changed.sum(axis=(1, 2)).mean() <= 307
        for mask, score in zip(changed, scores, strict=True):  # what stays may have the fill's colour by itself
            assert score[mask].min() >= np.quantile(score, 0.7) - 1e-6
    found = measured_controls(replace(SHAPE, source=None, attribution=attribution), occluder)
    assert found.moran > 0.5
    assert min(found.mask_moran) > 0.3


def test_shapes_and_leakage_are_those_of_the_cells_maps_which_are_made_once(images, network, tmp_path, monkeypatch):
    made, attribute = [], attributions.attribute
    monkeypatch.setattr(attributions, "attribute", lambda *a, **k: made.append(1) or attribute(*a, **k))
    occluder = occluder_of(images, tmp_path)
    found = measured_controls(SHAPE, occluder)
    occluder.splits(CELL)
    assert len(made) == 2  # training and test images, for both
    maps = attribute(network, images.test.x[:30], "gradient")
    assert found.moran == pytest.approx(controls.moran(maps).mean(), abs=1e-6)
    assert found.gini == pytest.approx(controls.gini(maps).mean(), abs=1e-6)
    masks = []
    for split in occluder.splits(replace(CELL, fraction=0.5)), (images.train.take(40), images.test.take(30)):
        masks.append([part.x for part in split])
    removed = [(a != b).any(axis=-1) for a, b in zip(*masks, strict=True)]
    y, y_test = images.train.y[:40], images.test.y[:30]
    expected = controls.leakage(removed[0], y, removed[1], y_test, n_classes=10)
    assert found.leakage[FRACTIONS.index(0.5)] == pytest.approx(expected, abs=0.1)  # colours equal to the fill
    half = controls.moran(removed[1]).mean()
    assert found.mask_moran[FRACTIONS.index(0.5)] == pytest.approx(half, abs=0.05)
    again = measured_controls(SHAPE, occluder_of(images, tmp_path))
    assert again == found
    assert len(made) == 2  # from the store


def test_maps_without_a_shape_have_none(images, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORK_FREE._things, "centre", lambda x: np.zeros(x.shape[:3], np.float32))
    with pytest.warns(UserWarning, match="constant"):
        found = measured_controls(replace(SHAPE, source=None, attribution="centre"), occluder_of(images, tmp_path))
    assert found.moran is None
    assert found.gini is None
    assert np.abs(found.mask_moran).max() < 0.05  # chance orders all pixels


def test_masks_of_small_smooth_maps_are_the_noise_that_breaks_their_ties(images, tmp_path, monkeypatch):
    """As the authors' are: the map is as smooth as it was, what is removed is not."""
    hill = NETWORK_FREE["centre"]
    spec = replace(SHAPE, source=None, attribution="centre")
    large = measured_controls(spec, occluder_of(images, tmp_path))
    assert min(large.mask_moran) > 0.7
    monkeypatch.setitem(NETWORK_FREE._things, "centre", lambda x: np.float32(1e-10) * hill(x))
    small = measured_controls(spec, occluder_of(images, tmp_path / "small"))
    assert small.moran == pytest.approx(large.moran, abs=1e-3)
    assert np.abs(small.mask_moran).max() < 0.05
    exact = measured_controls(replace(spec, variant="corrected"), occluder_of(images, tmp_path / "small"))
    np.testing.assert_allclose(exact.mask_moran, large.mask_moran, atol=0.01)


def test_morans_i_of_a_mask_by_hand(images, tmp_path, monkeypatch):
    """Rows that rise: the mask of a half is the lower 16 rows, and 32 of the 1,984 pairs lie across its edge."""
    monkeypatch.setitem(NETWORK_FREE._things, "edges", lambda x: np.tile(np.arange(1, 33.0)[:, None], (len(x), 1, 32)))
    spec = replace(SHAPE, source=None, attribution="edges", fractions=(0.5,))
    found = measured_controls(spec, occluder_of(images, tmp_path))
    assert found.mask_moran == (pytest.approx((1984 - 2 * 32) / 1984),)
    assert len(found.leakage) == 1


def test_what_masks_give_away_by_chance_is_measured_on_the_masks_of_the_baseline(images, tmp_path):
    occluder = occluder_of(images, tmp_path)
    spec = replace(SHAPE, source=None, attribution="random")
    found = measured_controls(spec, occluder)
    assert (found.moran, found.gini) == (None, None)
    assert np.abs(found.mask_moran).max() < 0.05
    y, y_test = images.train.y[:40], images.test.y[:30]
    for fraction, leakage in zip(FRACTIONS, found.leakage, strict=True):
        masks = occluder.masks(spec, fraction)
        assert leakage == controls.leakage(masks[0], y, masks[1], y_test, n_classes=10)
        cell = replace(RANDOM, occlusion="remove", fraction=fraction)
        for mask, part, original in zip(masks, occluder.splits(cell), (images.train, images.test), strict=True):
            shown = original.x[: len(mask)]
            np.testing.assert_array_equal(part.x[~mask], shown[~mask])
            assert len(np.unique(part.x[mask], axis=0)) == 1  # the fill


def test_shapes_of_older_recipes_are_measured_anew(images, tmp_path, monkeypatch):
    """Without the masks' number: they are neither taken for today's nor in their way."""
    occluder = occluder_of(images, tmp_path)
    spec = replace(SHAPE, source=None, attribution="edges")
    older = as_dict(spec)
    del older["fractions"]
    with monkeypatch.context() as then:
        then.setattr(artifacts, "as_dict", lambda _: older)
        arrays = {"moran": np.array(0.9), "gini": np.array(0.1), "leakage": np.array([0.1])}
        occluder.networks.store.fetch(
            spec, lambda _: (arrays, {}), *cell_inputs(spec, images), made_with=device.describe()
        )
    (folder,) = tmp_path.glob("ControlSpec/*")
    found = measured_controls(spec, occluder)
    assert len(found.mask_moran) == len(FRACTIONS)
    assert len(list(tmp_path.glob("ControlSpec/*"))) == 2
    assert folder.exists()


@pytest.mark.parametrize(
    "spec",
    [
        CELL,
        RANDOM,
        replace(CELL, source=SavedNetwork(sha256="ab")),
        replace(RANDOM, attribution="edges"),
        SHAPE,
        replace(SHAPE, source=None, attribution="centre"),
        RoadSpec(
            dataset="mnist",
            source=SavedNetwork(sha256="ab"),
            attribution="edges",
            order="most",
            fraction=0.5,
            noise=0.02,
        ),
        GradientSpec(classifier=None, vae_gan=VAEGANSpec(dataset="mnist", epochs=1), first=100),
        OwnGradientSpec(source=SavedNetwork(sha256="ab"), vae_gan=SavedNetwork(sha256="cd"), first=100),
    ],
)
def test_cells_survive_json(spec):
    assert from_dict(as_dict(spec)) == spec
