"""The study of one's own network on arrays: every function, every kind of network and data, and what is refused."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import robint_tf
from robint_tf import attacks, data, study, training
from robint_tf.attacks import PGD
from robint_tf.errors import InputError
from robint_tf.interpretability import attributions, controls, occlusion
from robint_tf.interpretability import road as roads
from robint_tf.networks import Bounded, vae_gan
from robint_tf.networks.classifiers import fingerprint
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.specs import FRACTIONS, RoadSpec, SavedNetwork, Training
from robint_tf.store.artifacts import Store
from robint_tf.store.results import ResultsError
from robint_tf.study import given, retraining
from robint_tf.training.adversarial import AdversarialClassifier

SIDE, N_CLASSES = 8, 3
TRAINING = Training(epochs=1, batch_size=10)
ATTACK = PGD(norm="linf", eps=0.2, step_size=0.1, n_steps=2)
SMALL = {"fractions": (0.5,), "seeds": 1, "occlusions": ("remove",), "training": TRAINING}


def bright(n, seed, channels=3):
    """Bytes; class k is brighter in its third of the rows."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n)
    x = rng.integers(0, 150, (n, SIDE, SIDE, channels))
    for k in range(N_CLASSES):
        x[y == k, k * SIDE // N_CLASSES : (k + 1) * SIDE // N_CLASSES] += 100
    return x.astype(np.uint8), y


TRAIN, TEST = bright(60, 0), bright(30, 1)


def sequential():
    return keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(N_CLASSES),
        ]
    )


def functional():
    images = keras.Input((SIDE, SIDE, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    found = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(scaled))
    both = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(found), keras.layers.Flatten()(scaled)])
    return keras.Model(images, keras.layers.Dense(N_CLASSES)(both))


class Subclassed(keras.Model):
    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.scale, self.flatten = keras.layers.Rescaling(1 / 255), keras.layers.Flatten()
        self.convolution = keras.layers.Conv2D(width, 3, activation="relu")
        self.normalisation, self.last = keras.layers.BatchNormalization(), keras.layers.Dense(N_CLASSES)

    def call(self, x, training=False):
        return self.last(self.flatten(self.normalisation(self.convolution(self.scale(x)), training=training)))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


KINDS = {"functional": functional, "subclassed": Subclassed}  # sequential ones are in the other tests


@pytest.fixture(params=KINDS)
def model(request):
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def network():
    return sequential()


def linear(network, x):
    """An attribution with NumPy: how far a value is from the middle."""
    return np.abs(np.asarray(x))


def test_every_kind_of_network_goes_through_all_of_it(model, tmp_path):
    before = None if not model.built else fingerprint(model)
    maps = robint_tf.attribute(model, TEST[0], "gradient_x_input", bounds=(0, 255))
    assert maps.values.shape == (30, SIDE, SIDE)
    found = robint_tf.roar(model, TRAIN, TEST, "gradient", bounds=(0, 255), **SMALL)
    assert {row["attribution"] for row in found.table()} == {"gradient", "random"}
    assert all(0 <= row["accuracy"] <= 1 for row in found.table())
    removed = robint_tf.road(model, TEST, ["gradient", "gradient_x_input"], bounds=(0, 255), fractions=(0.5,))
    assert len(removed.table()) == 4
    lying = robint_tf.manifold_distance(model, lambda x: 0.5 * x, *TEST, ATTACK, bounds=(0, 255))
    assert (lying.attacked != lying.clean).any()
    measured = robint_tf.gradient_measures(model, TEST[0], train=TRAIN[0], bounds=(0, 255))
    assert set(measured.values) == {"sparseness", "smoothness", "rare_share"}
    assert before is None or fingerprint(model) == before, "the explained network was changed"


def test_what_is_computed_is_what_the_parts_compute(network):
    """The arrays in bounds, scaled by hand, give the same."""
    inside, x = Bounded(network, (0, 255)), (TEST[0] / np.float32(127.5) - 1).astype(np.float32)
    expected = attributions.attribute(inside, x, "gradient", variant="corrected")
    np.testing.assert_allclose(study.attribute(network, TEST[0], bounds=(0, 255)).values, expected, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(study.attribute(inside, x)), expected, rtol=1e-5)
    found = study.manifold_distance(inside, np.zeros_like, x, TEST[1], ATTACK)
    attacked = attacks.attack_dataset(inside, x, TEST[1], ATTACK).x_adv
    np.testing.assert_allclose(found.clean, np.sqrt(np.square(x).sum(axis=(1, 2, 3))), rtol=1e-5)
    np.testing.assert_allclose(found.attacked, np.sqrt(np.square(attacked).sum(axis=(1, 2, 3))), rtol=1e-5)


@pytest.mark.parametrize(
    "measure",
    [
        lambda network, *data: study.road(network, data, fractions=(0.5,), bounds=(0, 255)),
        lambda network, *data: study.manifold_distance(network, lambda x: 0.9 * x, *data, ATTACK, bounds=(0, 255)),
    ],
    ids=["road", "manifold_distance"],
)
def test_a_network_that_only_guesses_is_spoken_of(network, measure):
    with pytest.warns(UserWarning, match="cannot be told from guessing among 3 classes"):
        measure(network, TEST[0], np.argmin(network(TEST[0].astype("float32")), axis=-1))


def test_a_network_that_knows_its_bounds_is_taken_by_them(network):
    model = AdversarialClassifier(network, ATTACK, bounds=(0, 255))
    expected = study.attribute(network, TEST[0], bounds=(0, 255)).values
    for bounds in (None, (0, 255)):
        np.testing.assert_allclose(study.attribute(model, TEST[0], bounds=bounds).values, expected, rtol=1e-5)
    with pytest.raises(InputError, match=r"made for images in \[0, 255\], and the bounds are 0 and 1"):
        study.attribute(model, TEST[0] / 255.0, bounds=(0, 1))


def test_images_that_hardly_fill_their_bounds_are_spoken_of(network):
    with pytest.warns(UserWarning, match=r"pixels range over \[0.0, 1.0\] only, and the bounds are 0 and 255"):
        study.attribute(network, TEST[0] / TEST[0].max(), bounds=(0, 255))


def test_floats_and_bytes_are_the_same_images():
    as_bytes = given.split_of(TRAIN, (0, 255), "train")
    as_floats = given.split_of((TRAIN[0] / np.float32(255), TRAIN[1]), (0, 1), "train")
    unbounded = given.split_of(TRAIN, None, "train")
    np.testing.assert_allclose(as_bytes.x, as_floats.x, atol=1e-6)
    assert unbounded.fingerprint == as_bytes.fingerprint


@pytest.mark.parametrize("batched", [True, False])
def test_a_dataset_of_tensorflow_is_the_arrays_in_it(batched):
    stream = tf.data.Dataset.from_tensor_slices(TRAIN)
    stream = stream.batch(7) if batched else stream
    assert given.split_of(stream, (0, 255), "train").fingerprint == given.split_of(TRAIN, (0, 255), "t").fingerprint


def test_a_function_and_its_maps_are_one_attribution(network):
    maps = tuple(study.attribute(network, x, linear, bounds=(0, 255)).values for x, _ in (TRAIN, TEST))
    found = [study.roar(network, TRAIN, TEST, method, bounds=(0, 255), **SMALL).table() for method in (linear, maps)]
    rows = [[{**row, "attribution": ""} for row in table] for table in found]
    assert rows[0] == rows[1]
    by_array = study.road(network, TEST, maps[1], bounds=(0, 255), fractions=(0.3,))
    by_function = study.road(network, TEST, linear, bounds=(0, 255), fractions=(0.3,))
    assert by_array.areas["maps"] == by_function.areas["linear"]


def test_road_compares_images_with_their_mean_colour_as_the_command_does(tmp_path):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x, method = TEST[0] / np.float32(180) - np.float32(0.4), "integrated_gradients(steps=3,baseline=fill)"
    y = network(x).numpy().argmax(axis=-1)
    split = data.Split(x, y)
    measurer = roads.Measurer(network, split, Store(tmp_path))
    source = SavedNetwork(sha256=fingerprint(network))
    about = {"dataset": "own", "source": source, "noise": roads.NOISE, "fraction": 0.2, "attribution": method}
    given_grey = attributions.attribute(network, x, method)
    for seed in (0, 1):
        found = study.road(network, (x, y), method, fractions=(0.2,), seed=seed, variant="authors")
        by_grey = study.road(network, (x, y), given_grey, fractions=(0.2,), seed=seed, variant="authors")
        hits = {o: measurer.hits(RoadSpec(**about, order=o, seed=seed)) for o in roads.ORDERS}
        area = float(roads.Road((0.2,), {order: hit[None] for order, hit in hits.items()}).area)
        assert found.areas[method][0] == pytest.approx(area)
        assert found.areas[method][0] != pytest.approx(by_grey.areas["maps"][0])


def test_settings_of_a_method_are_a_name():
    from robint_tf.settings import IntegratedGradients

    by_name, by_settings = (
        given.methods_of(m) for m in ("integrated_gradients:steps=20", IntegratedGradients(steps=20))
    )
    assert by_name == by_settings
    assert given.methods_of(["gradient", IntegratedGradients(steps=20)]).keys() == {"gradient", *by_name}


def test_build_makes_what_is_retrained(network):
    made = []

    def build():
        made.append(
            keras.Sequential([keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
        )
        return made[-1]

    with study.retraining.Retrainings(network, TRAIN, TEST, "gradient", build=build, bounds=(0, 255), **SMALL) as plan:
        own = {cell.architecture for cell in plan.cells}
    with study.retraining.Retrainings(network, TRAIN, TEST, "gradient", bounds=(0, 255), **SMALL) as plan:
        assert own.isdisjoint({cell.architecture for cell in plan.cells})
    assert len(made) == 1
    with pytest.raises(InputError, match="have it return a new one"):
        study.roar(network, TRAIN, TEST, "gradient", build=lambda: network, bounds=(0, 255), **SMALL)


def test_statistics_learnt_before_training_stay_in_the_copy():
    normalisation = keras.layers.Normalization()
    normalisation.adapt(TRAIN[0].astype(np.float32))
    explained = keras.Sequential(
        [keras.layers.Input((SIDE, SIDE, 3)), normalisation, keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    copy = given.untrained(given.network_of(explained, (0, 255)), None, None, np.zeros((1, SIDE, SIDE, 3), np.float32))
    np.testing.assert_array_equal(copy.network.layers[0].mean, normalisation.mean)
    assert copy.network is not explained


def test_a_store_keeps_cells_and_an_interrupted_call_goes_on(network, tmp_path, monkeypatch):
    settings = SMALL | {"fractions": (0.3, 0.6), "bounds": (0, 255)}
    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 3:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        study.roar(network, TRAIN, TEST, store=tmp_path, progress=stop, **settings)
    assert seen == [(i, 4) for i in range(4)]
    trained = []
    fit = retraining.retraining.fit_classifier
    monkeypatch.setattr(retraining.retraining, "fit_classifier", lambda *a, **k: trained.append(1) or fit(*a, **k))
    again = study.roar(network, TRAIN, TEST, store=tmp_path, **settings)
    assert len(trained) == 1
    study.roar(network, TRAIN, TEST, store=tmp_path, **settings)
    assert len(trained) == 1
    alone = study.roar(network, TRAIN, TEST, **settings)
    assert alone.table() == again.table()


def test_road_keeps_its_points_and_an_interrupted_call_goes_on(network, tmp_path, monkeypatch):
    settings = {"bounds": (0, 255), "fractions": (0.6, 0.3)}
    methods = {"gradient": "gradient", "mine": linear}
    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 3:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        study.road(network, TEST, methods, store=tmp_path, progress=stop, **settings)
    assert seen == [(i, 8) for i in range(4)]
    assert len(list(tmp_path.rglob("manifest.json"))) == 3
    again = study.road(network, TEST, methods, store=tmp_path, **settings)
    alone = study.road(network, TEST, methods, **settings)
    assert again.fractions == (0.3, 0.6)
    assert again.table() == alone.table()
    assert again.areas == alone.areas
    monkeypatch.setattr(roads, "hits_without", None)  # nothing is measured again
    assert study.road(network, TEST, methods, store=tmp_path, **settings).table() == alone.table()


def test_one_image_has_no_interval(network, tmp_path):
    found = study.road(network, (TEST[0][:1], TEST[1][:1]), fractions=(0.3,), bounds=(0, 255))
    ((area, low, high),) = found.areas.values()
    assert abs(area) <= 1
    assert low is high is None
    assert study.load(found.save(tmp_path / "one.json")).areas == found.areas


@pytest.mark.parametrize("fractions", [(), (0.3, 1.0), (0,)])
def test_road_refuses_fractions_outside_0_and_1(network, fractions):
    with pytest.raises(InputError, match="fraction"):
        study.road(network, TEST, fractions=fractions, bounds=(0, 255))


def test_beside_the_scores_of_roar_stand_the_shapes_of_the_maps(network, tmp_path, monkeypatch):
    methods, settings = {"gradient": "gradient", "mine": linear}, {"bounds": (0, 255), "store": tmp_path}
    found = study.roar(network, TRAIN, TEST, methods, **settings, **SMALL | {"occlusions": ("keep", "remove")})
    assert found.controls.keys() == methods.keys()
    for row in found.scores():
        maps = study.attribute(network, TEST[0], methods[row["attribution"]], bounds=(0, 255)).values
        assert row["moran"] == pytest.approx(controls.moran(maps).mean(), rel=1e-4)
        assert row["gini"] == pytest.approx(controls.gini(maps).mean(), rel=1e-4)
        leakage = found.controls[row["attribution"]]["leakage"]
        assert len(leakage) == 5
        assert row["mean_leakage"] == pytest.approx(np.mean(leakage))
        of_masks = [
            controls.moran(
                occlusion.occlusion_mask(occlusion.ranks(maps, seed=0, variant="corrected"), fraction)
            ).mean()
            for fraction in FRACTIONS
        ]  # a map without ties has the same masks whatever the seed
        np.testing.assert_allclose(found.controls[row["attribution"]]["mask_moran"], of_masks, atol=0.02)
        assert row["mean_mask_moran"] == pytest.approx(np.mean(of_masks), abs=0.02)
        assert 0 <= row["chance_leakage"] <= 1
    assert len({row["chance_leakage"] for row in found.scores()}) == 1
    loaded = study.load(found.save(tmp_path / "r.json"))
    assert loaded.controls == found.controls
    assert "Gini index" in loaded.plot().get_suptitle()
    assert len(list((tmp_path / "ControlSpec").rglob("manifest.json"))) == 3  # and of random masks
    monkeypatch.setattr(controls, "leakage", None)  # nothing is measured again
    assert study.roar(network, TRAIN, TEST, methods, **settings, **SMALL).controls == found.controls


def test_masks_of_large_images_are_not_read(network, monkeypatch):
    monkeypatch.setattr(controls, "MOST_PIXELS", SIDE**2 - 1)
    (row,) = study.roar(network, TRAIN, TEST, bounds=(0, 255), **SMALL).scores()
    assert row["mean_leakage"] is row["chance_leakage"] is None
    assert row["moran"] is not None


def outcomes(network):
    settings = {"bounds": (0, 255)}
    yield study.attribute(network, TEST[0], **settings)
    yield study.roar(network, TRAIN, TEST, **settings, **SMALL)
    yield study.road(network, TEST, fractions=(0.2, 0.6), **settings)
    yield study.manifold_distance(network, lambda x: 0.9 * x, *TEST, ATTACK, **settings)
    yield study.gradient_measures(network, TEST[0], **settings)


def test_outcomes_are_tables_figures_and_files(network, tmp_path, robint):
    for i, found in enumerate(outcomes(network)):
        table = found.table()
        assert table
        assert all(row.keys() == table[0].keys() for row in table)
        assert all(isinstance(value, str | int | float | bool) for row in table for value in row.values())
        path = found.save(tmp_path / f"{i}.json")
        assert study.load(path).table() == table
        assert type(study.load(path)) is type(found)
        found.plot(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").read_bytes().startswith(b"\x89PNG")
        robint("redraw", path, "--out", tmp_path / "again")
        assert (tmp_path / "again" / f"{i}.pdf").exists()
        with pytest.raises(InputError, match=r"\.svg"):
            found.plot(tmp_path / "figure.bmp")
        with pytest.raises(InputError, match=r"maps\.npz does not end in \.json"):
            found.save(tmp_path / "maps.npz")
        assert not (tmp_path / "maps.npz").exists()


def test_files_of_other_kinds_are_refused(tmp_path, network):
    path = tmp_path / "a.json"
    robint_tf.store.results.write(path, {"figure": None})
    with pytest.raises(ResultsError, match="another kind"):
        study.load(path)
    for broken in ({}, {"values": {"dtype": "object", "shape": [1], "values": [1]}, "method": "x"}):
        robint_tf.store.results.write(path, {"figure": "attribution_maps", **broken})
        with pytest.raises(ResultsError, match="cannot be used"):
            study.load(path)
    for kind in ("road", "distances_by_network"):
        robint_tf.store.results.write(path, {"figure": kind, "clean": {}})
        with pytest.raises(ResultsError, match="cannot be used"):
            study.load(path)


def test_long_arrays_come_back_bit_by_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal((200, 8, 8)).astype(np.float32)
    found = study.attribution.Attribution("gradient", values)
    np.testing.assert_array_equal(study.load(found.save(tmp_path / "maps.json")).values, values)


def test_a_poor_projector_is_told():
    network = sequential()
    with pytest.warns(UserWarning, match="nearly constant"):
        found = study.manifold_distance(network, np.zeros_like, *TEST, ATTACK, bounds=(0, 255))
    assert "\nThe projector cannot stand for the manifold:\n" in found.plot().axes[0].get_title()
    assert study.manifold_distance(network, lambda x: 0.9 * x, *TEST, ATTACK, bounds=(0, 255)).problems == ()


def test_gradients_along_the_manifold_of_a_vae_gan():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 28, 28, 1)).astype(np.float32)
    network = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    found = study.gradient_measures(network, images, vae_gan=vae_gan.build("mnist"))
    assert {"tangent_share", "sensitivity_ratio"} <= found.values.keys()
    assert found.chance["tangent_share"] == pytest.approx(np.sqrt(10 / 784))
    (row,) = [row for row in found.scores() if row["measure"] == "tangent_share"]
    assert row["low"] <= row["mean"] <= row["high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": 3}, "train is int"),
        ({"train": (TRAIN[0], TRAIN[1][:-1])}, "labels"),
        ({"train": (TRAIN[0].astype(object), TRAIN[1])}, "object"),
        ({"train": (TRAIN[0] * np.nan, TRAIN[1])}, "hold NaN"),
        ({"train": (TRAIN[0][..., 0], TRAIN[1])}, r"x\[\.\.\., None\]"),
        ({"train": (TRAIN[0][:, :4], TRAIN[1])}, "give one shape"),
        ({"train": (TRAIN[0], TRAIN[1] * 0.5)}, "give integers"),
        ({"train": (TRAIN[0], np.eye(3, dtype=int)[TRAIN[1]])}, "labels"),
        ({"test": (TEST[0], TEST[1] + 5)}, "labels range over"),
        ({"train": tf.data.Dataset.from_tensor_slices(TRAIN).repeat()}, "without an end"),
        ({"train": tf.data.Dataset.from_tensor_slices(TRAIN[0])}, "pairs"),
        ({"train": tf.data.Dataset.from_tensor_slices(TRAIN).take(0)}, "without examples"),
        ({"bounds": (255, 0)}, "the smaller one first"),
        ({"bounds": (0, 1)}, "the bounds are"),
        ({"model": "model.keras"}, "give a Keras model"),
        ({"attribution": "gradeint"}, "choose one of"),
        ({"attribution": 7}, "give a name"),
        ({"attribution": {}}, "give a name"),
        ({"attribution": {"random": linear}}, "another name"),
        ({"attribution": lambda network, x: x[:, 0]}, "a number for each value"),
        ({"attribution": (TRAIN[0][..., 0], TEST[0][:5, ..., 0])}, "maps"),
        ({"seeds": 0}, "seeds is 0"),
        ({"fractions": ()}, "no fractions"),
        ({"fractions": (1.5,)}, "fraction is 1.5"),
        ({"occlusions": ("hide",)}, "choose one of remove, keep"),
        ({"variant": "mine"}, "choose one of"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(network, change, message):
    arguments = {"model": network, "train": TRAIN, "test": TEST, "bounds": (0, 255), **SMALL} | change
    with pytest.raises(InputError, match=message) as refused:
        study.roar(**arguments)
    assert "\n" not in str(refused.value)


def test_a_network_that_cannot_be_copied_asks_for_build():
    class Closed(Subclassed):
        def get_config(self):
            raise NotImplementedError("no configuration")

    with pytest.raises(InputError, match="give build="):
        given.fresh_copy(Closed())


def test_a_method_without_a_rule_for_a_layer_is_refused_before_anything_is_trained(tmp_path):
    layers = [keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(4, "gelu")]
    network = keras.Sequential([*layers, keras.layers.Dense(N_CLASSES)])
    with pytest.raises(InputError, match="has no rule"):
        study.roar(network, TRAIN, TEST, ["gradient", "deeplift"], bounds=(0, 255), store=tmp_path, **SMALL)
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_projector_that_returns_something_else_is_refused(network):
    for projector in (lambda x: x[:, :4], lambda x: x * np.nan, lambda x: "image", 3):
        with pytest.raises(InputError, match="projector"):
            study.manifold_distance(network, projector, *TEST, ATTACK, bounds=(0, 255))


def test_trainings_of_other_seeds_share_no_cell(network):
    cells, drawn = [], []
    for seed in range(3):
        settings = SMALL | {"bounds": (0, 255), "seeds": 3, "training": replace(TRAINING, seed=seed)}
        with retraining.Retrainings(network, TRAIN, TEST, "gradient", **settings) as plan:
            cells += plan.cells
            drawn += [plan._occluder.splits(cell)[0].x for cell in plan.cells if cell.attribution == "random"]
    assert len(set(cells)) == len(cells) == 2 * 3 * 3
    assert len({x.tobytes() for x in drawn}) == 3 * 3, "each network has random pixels of its own"
    assert {cell.mask_seed for cell in cells if cell.attribution != "random"} == {0}


def backbone(values):
    """Frozen layers with weights of their own, as of a network that was trained before."""
    made = keras.Sequential(
        [keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(4), keras.layers.Dropout(0.1)]
    )
    made.layers[1].set_weights([np.full((SIDE * SIDE * 3, 4), values, np.float32), np.ones(4, np.float32)])
    made.trainable = False
    return made


def on_backbone(values=0.5):
    normalised = keras.layers.BatchNormalization(trainable=False, moving_mean_initializer="ones")
    return keras.Sequential(
        [keras.layers.Input((SIDE, SIDE, 3)), backbone(values), normalised, keras.layers.Dense(N_CLASSES)]
    )


class Frozen(Subclassed):
    """Whose configuration does not say what of it is frozen."""


def frozen_subclass():
    network = Frozen()
    network(np.zeros((1, SIDE, SIDE, 3), np.float32))
    network.convolution.trainable = False
    return network


@pytest.mark.parametrize("make", [on_backbone, lambda: Bounded(on_backbone(), (0, 255)), frozen_subclass])
@pytest.mark.parametrize("built", [False, True])
def test_frozen_layers_are_retrained_with_the_weights_that_they_have(make, built):
    explained = make()
    x = np.zeros((1, SIDE, SIDE, 3), np.float32)
    explained(x)
    made = given.untrained(explained, make if built else None, None, x)
    before = [np.array(v) for v in made.variables]
    frozen = {id(v) for layer in made._flatten_layers() if not layer.trainable for v in layer.variables}
    training.fit_classifier(made, TRAIN[0] / np.float32(128) - 1, TRAIN[1], TRAINING, initialise=True)
    assert [layer.trainable for layer in made._flatten_layers()] == [
        layer.trainable for layer in explained._flatten_layers()
    ]
    for variable, value in zip(made.variables, before, strict=True):
        if id(variable) not in frozen:
            assert variable.name in ("seed_generator_state", "bias", "beta") or (np.array(variable) != value).any()
        elif variable.name != "seed_generator_state":
            np.testing.assert_array_equal(variable, value)
    if not built:
        kept = [np.array(v) for layer in explained._flatten_layers() if not layer.trainable for v in layer.weights]
        found = [np.array(v) for layer in made._flatten_layers() if not layer.trainable for v in layer.weights]
        for theirs, ours in zip(kept, found, strict=True):
            np.testing.assert_array_equal(theirs, ours)


def test_networks_with_other_frozen_weights_have_other_cells(network):
    cells = []
    for values in (0.5, 0.5, 0.25):
        with retraining.Retrainings(
            network, TRAIN, TEST, "gradient", build=lambda values=values: on_backbone(values), bounds=(0, 255), **SMALL
        ) as plan:
            cells.append(tuple(plan.cells))
    assert cells[0] == cells[1]
    assert set(cells[0]).isdisjoint(cells[2])


def test_a_network_of_which_nothing_is_trained_is_refused():
    network = sequential()
    network.trainable = False
    with pytest.raises(InputError, match=r"no layer of the network .* is trained; set trainable = True"):
        study.roar(network, TRAIN, TEST, bounds=(0, 255), **SMALL)


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.Sequential):
    def call(self, x, training=None, mask=None):
        return 2 * super().call(x, training=training)


def test_a_copy_of_a_subclass_computes_as_it_does():
    network = Doubled(sequential().layers)
    copy = given.untrained(network, None, None, np.zeros((1, SIDE, SIDE, 3), np.float32))
    assert type(copy) is Doubled
    np.testing.assert_allclose(copy(TEST[0]), network(TEST[0]), rtol=1e-6)


def in_precision(policy):
    return keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, "relu", dtype=policy),
            keras.layers.Dense(3),
        ]
    )


def test_a_precision_that_the_layers_do_not_have_is_refused():
    for policy, other in (("float32", "mixed_bfloat16"), ("mixed_bfloat16", "float32")):
        network = in_precision(policy)
        assert given.precision_of(network) == policy
        settings = SMALL | {"training": replace(TRAINING, precision=policy), "bounds": (0, 255)}
        with retraining.Retrainings(network, TRAIN, TEST, "gradient", **settings) as plan:
            assert {cell.training.precision for cell in plan.cells} == {policy}
        with pytest.raises(InputError, match=f"give precision='{policy}'"):
            retraining.Retrainings(
                network, TRAIN, TEST, "gradient", **settings | {"training": replace(TRAINING, precision=other)}
            )
    with pytest.raises(InputError, match="compute in float16"):
        study.roar(in_precision("float16"), TRAIN, TEST, bounds=(0, 255), **SMALL)


def test_two_attributions_of_one_name_are_refused_in_a_list(network):
    def made(sign):
        def mine(network, x):
            return sign * np.asarray(x)

        return mine

    with pytest.raises(InputError, match="two attributions are called 'mine'; give them in a dict"):
        study.road(network, TEST, [made(1), made(-1)], bounds=(0, 255))
    assert given.methods_of([linear, linear, "gradient", "gradient"]).keys() == {"linear", "gradient"}
    assert len(given.methods_of({"one": made(1), "other": made(-1)})) == 2


def test_a_split_is_taken_as_it_is():
    split = data.load("mnist_sample", n_test=5).test
    assert given.split_of(split, None, "test").fingerprint == split.fingerprint
