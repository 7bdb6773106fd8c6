from dataclasses import replace

import pytest

from robint_tf.specs import (
    PGD,
    AccuracySpec,
    ClassifierSpec,
    ControlSpec,
    CurveSpec,
    DistanceSpec,
    GradientSpec,
    RetrainSpec,
    RoadSpec,
    SavedNetwork,
    Training,
    VAEGANSpec,
    as_dict,
    from_dict,
)

GOOD = {"norm": "l2", "eps": 0.1, "step_size": 0.1}

TOY = {"dataset": "toy", "training": Training(epochs=1), "attack": PGD(**GOOD)}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (PGD, GOOD | {"eps": -0.1}, "eps is -0.1"),
        (PGD, GOOD | {"eps": float("nan")}, "eps is nan"),
        (PGD, GOOD | {"step_size": float("inf")}, "step_size is inf"),
        (PGD, GOOD | {"eps": "0.1"}, "eps is '0.1'"),
        (PGD, GOOD | {"norm": "l1"}, "norm is 'l1'; choose one of l2, linf"),
        (PGD, GOOD | {"loss": "dlr"}, "loss is 'dlr'; choose one of xent, cw, cw_unclamped, cw_masked"),
        (PGD, GOOD | {"n_steps": -1}, "n_steps is -1"),
        (PGD, GOOD | {"n_steps": 1.5}, "n_steps is 1.5"),
        (Training, {"epochs": -1}, "epochs is -1"),
        (Training, {"epochs": 1, "batch_size": 0}, "batch_size is 0"),
        (Training, {"epochs": 1, "learning_rate": 0}, "learning_rate is 0; give a number above 0"),
        (Training, {"epochs": 1, "precision": "float16"}, "precision is 'float16'"),
        (
            ClassifierSpec,
            {"dataset": "toy", "training": Training(epochs=1), "variant": "ours"},
            "variant is 'ours'",
        ),
        (ClassifierSpec, {"dataset": "toy", "training": Training(epochs=1), "n_train": 0}, "n_train is 0"),
        (ClassifierSpec, {"dataset": "toy", "training": Training(epochs=1), "trades": 6}, "without an attack"),
        (ClassifierSpec, TOY | {"trades": -1}, "trades is -1; give beta, a number of at least 0"),
        (ClassifierSpec, TOY | {"trades": True}, "trades is True; give beta"),
        (ClassifierSpec, TOY | {"trades": float("nan")}, "trades is nan; give beta"),
    ],
)
def test_bad_values_are_named(kind, fields, message):
    with pytest.raises(ValueError, match=message) as refusal:
        kind(**fields)
    assert "\n" not in str(refusal.value)


NETWORK = ClassifierSpec(dataset="mnist", training=Training(epochs=1))
VAE_GAN = VAEGANSpec(dataset="mnist", epochs=1)
CELL = RetrainSpec(
    dataset="mnist", source=NETWORK, attribution="gradient", occlusion="keep", fraction=0.5, training=Training(epochs=1)
)


SHAPE = ControlSpec(dataset="mnist", source=NETWORK, attribution="gradient")
POINT = RoadSpec(
    dataset="mnist",
    source=SavedNetwork(sha256="ab"),
    attribution="gradient",
    order="least",
    fraction=0.5,
    noise=0.02,
)


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (SHAPE, {"attribution": "edges"}, "attribution is 'edges'; choose one of gradient"),
        (SHAPE, {"source": None}, "attribution without a network is 'gradient'; choose one of edges, centre, random"),
        (SHAPE, {"attribution": "random"}, "attribution is 'random'; choose one of gradient"),
        (SHAPE, {"fractions": ()}, r"fractions are \[\]; give rising numbers inside \(0, 1\)"),
        (SHAPE, {"fractions": (0.5, 0.1)}, r"fractions are \[0.5, 0.1\]; give rising"),
        (SHAPE, {"fractions": (0.5, 1.0)}, r"fractions are \[0.5, 1.0\]; give rising"),
        (SHAPE, {"n_test": 0}, "n_test is 0"),
        (POINT, {"attribution": "random"}, "attribution is 'random'; choose one of gradient"),
        (POINT, {"order": "first"}, "order is 'first'; choose one of most, least"),
        (POINT, {"fraction": 1}, "fraction is 1.0; give a number between 0 and 1"),
        (POINT, {"noise": -1}, "noise is -1; give a number of at least 0"),
        (POINT, {"source": NETWORK}, "source is ClassifierSpec.*; give SavedNetwork"),
        (GradientSpec(classifier=NETWORK, vae_gan=VAE_GAN), {"first": -1}, "first is -1"),
        (GradientSpec(classifier=NETWORK, vae_gan=VAE_GAN), {"tolerance": -1}, "tolerance is -1; give a number of at"),
        (GradientSpec(classifier=NETWORK, vae_gan=VAE_GAN), {"vae_gan": None}, "vae_gan is None; give VAEGANSpec"),
    ],
)
def test_bad_values_of_what_is_measured_are_named(spec, changes, message):
    with pytest.raises(ValueError, match=message) as refusal:
        replace(spec, **changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "field", "value", "message"),
    [
        (Training(epochs=1), "shuffle", "no", "shuffle is 'no'; give True or False"),
        (Training(epochs=1), "shuffle", 1, "shuffle is 1; give True or False"),
        (Training(epochs=1), "epochs", True, "epochs is True; give a whole number"),
        (PGD(**GOOD), "random_start", "yes", "random_start is 'yes'; give True or False"),
        (PGD(**GOOD), "eps", True, "eps is True; give a finite number"),
        (NETWORK, "training", 3, "training is 3; give Training"),
        (NETWORK, "attack", "pgd", "attack is 'pgd'; give PGD or None"),
        (NETWORK, "dataset", 1, "dataset is 1; give str"),
        (NETWORK, "architecture", 5, "architecture is 5; give str"),
        (VAE_GAN, "dataset", None, "dataset is None; give str"),
        (AccuracySpec(classifier=NETWORK), "classifier", "mine", "classifier is 'mine'; give ClassifierSpec"),
        (AccuracySpec(classifier=NETWORK), "attack", 0.1, "attack is 0.1; give PGD or None"),
        (CurveSpec(classifier=NETWORK), "classifier", VAE_GAN, "classifier is VAEGANSpec.*; give ClassifierSpec"),
        (SavedNetwork(sha256="ab"), "sha256", b"ab", "sha256 is b'ab'; give str"),
        (CELL, "source", "mine", "source is 'mine'; give ClassifierSpec or SavedNetwork or None"),
        (CELL, "training", 3, "training is 3; give Training"),
        (
            DistanceSpec(classifier=NETWORK, reference=NETWORK, vae_gan=VAE_GAN),
            "vae_gan",
            NETWORK,
            "vae_gan is ClassifierSpec.*; give VAEGANSpec",
        ),
    ],
)
def test_flags_and_parts_of_another_type_are_refused(spec, field, value, message):
    with pytest.raises(ValueError, match=message) as refusal:
        replace(spec, **{field: value})
    assert "\n" not in str(refusal.value)


def test_a_step_larger_than_eps_is_allowed():
    assert PGD(norm="l2", eps=0.08, step_size=2.0).step_size > 0.08


def test_specs_survive_json_and_refuse_unknown_fields():
    spec = ClassifierSpec(dataset="mnist", training=Training(epochs=2), attack=PGD(**GOOD), n_train=100)
    assert from_dict(as_dict(spec)) == spec
    assert "trades" not in as_dict(spec)
    assert from_dict(as_dict(replace(spec, trades=6))) == replace(spec, trades=6) != spec
    with pytest.raises(ValueError, match="no field warp"):
        from_dict(as_dict(spec) | {"warp": 1})
    with pytest.raises(ValueError, match="kind is 'Robot'"):
        from_dict({"kind": "Robot"})


def test_an_attack_describes_itself_with_units():
    assert str(PGD(norm="l2", eps=0.4, step_size=2.0)) == (
        "l2 PGD, eps 0.4 on [-1, 1] pixels (0.2 on [0, 1]), 40 steps of 2, loss xent"
    )
