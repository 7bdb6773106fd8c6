"""Settings of attributions: read from text, checked, and written out in the names that recipes hold."""

import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from robint_tf import labels
from robint_tf.catalogue import ATTRIBUTIONS
from robint_tf.settings import KINDS, IntegratedGradients, LRPComposite, SmoothGrad, VarGrad, settings_of
from robint_tf.specs import ClassifierSpec, RetrainSpec, Training, as_dict, from_dict
from robint_tf.store.artifacts import spec_key

TABLE = (Path(__file__).parents[1] / "docs" / "attributions.md").read_text(encoding="utf-8")


def cell(attribution):
    return RetrainSpec(
        dataset="cifar10",
        source=ClassifierSpec(dataset="cifar10", training=Training(epochs=20)),
        attribution=attribution,
        occlusion="remove",
        fraction=0.5,
        training=Training(epochs=20),
    )


@pytest.mark.parametrize("name", KINDS)
def test_a_full_name_says_every_setting_and_is_read_again(name):
    full = ATTRIBUTIONS.full_name(name)
    settings = settings_of(full)
    assert settings == KINDS[name]() == settings_of(name)
    assert ATTRIBUTIONS.full_name(full) == str(settings) == full != name
    assert ATTRIBUTIONS.full_name(settings) == full


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("integrated_gradients:steps=20", IntegratedGradients(steps=20)),
        ("integrated_gradients(steps=20)", IntegratedGradients(steps=20)),
        ("integrated_gradients: baseline=zero, steps=7", IntegratedGradients(steps=7, baseline="zero")),
        ("vargrad:noise=1e-1", VarGrad(noise=0.1)),
        ("smoothgrad:noise=0.30000000000000004", SmoothGrad(noise=0.3)),
        ("lrp_composite:gamma=0", LRPComposite(gamma=0)),
    ],
)
def test_settings_are_read_from_text(text, settings):
    assert settings_of(text) == settings
    assert cell(text) == cell(str(settings))


def test_settings_are_in_the_key_and_keys_without_settings_are_as_they_were():
    assert spec_key(cell("gradient"), "train", "test") == "03ff4c017a02586254d6"
    assert spec_key(cell("gradient_x_input"), "train", "test") == "1161e09c69a8ae3776a2"
    named = [cell(name) for name in ("integrated_gradients", "integrated_gradients:steps=20", "deeplift")]
    assert len({spec_key(spec) for spec in named}) == 3
    assert named[0].attribution == "integrated_gradients(steps=50,baseline=fill)"
    assert from_dict(as_dict(named[1])) == named[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "integrated_gradients:step=20",
            "the setting 'step=20' of integrated_gradients cannot be read; give steps=50, baseline=fill, each at most",
        ),
        ("integrated_gradients:20", "the setting '20' of integrated_gradients cannot be read"),
        ("integrated_gradients:steps=2,steps=3", "the setting 'steps=3' of integrated_gradients cannot be read"),
        ("integrated_gradients:steps=2.5", "steps of integrated_gradients is '2.5'; give a whole number"),
        ("integrated_gradients:steps=0", "steps is 0; give a whole number of at least 1"),
        ("integrated_gradients:baseline=black", "baseline is 'black'; choose one of fill, zero"),
        ("smoothgrad:noise=much", "noise of smoothgrad is 'much'; give a number"),
        ("smoothgrad:noise=nan", "noise is nan; give a finite number"),
        ("vargrad:samples=1", "samples is 1; give a whole number of at least 2"),
        ("gradient:steps=3", "attribution is 'gradient:steps=3', but gradient has no settings; give 'gradient'"),
        ("guided_backpropagation(a=1)", "guided_backpropagation has no settings"),
        ("integrated:steps=3", "attribution is 'integrated:steps=3'; choose one of gradient, "),
        ("integrated_gradients(steps=3", "choose one of gradient, |has no settings"),
        (None, "attribution is None; "),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        cell(text) if text is not None else ATTRIBUTIONS.full_name(text)
    assert "\n" not in str(error.value)


def test_people_read_the_settings_that_are_not_the_defaults():
    names = [
        "gradient",
        "integrated_gradients",
        "integrated_gradients(steps=20,baseline=zero)",
        "lrp_composite",
        "mine@1",
    ]
    found = [labels.ATTRIBUTIONS[name] for name in names]
    assert found == ["G", "IG", "IG (steps 20, baseline zero)", "LRP composite", "mine"]
    assert list(labels.ATTRIBUTIONS) == ["gradient", "gradient_x_input"]  # the paper's
    assert all(labels.ATTRIBUTIONS[name] != name for name in KINDS)


def test_settings_need_no_tensorflow():
    code = (
        "import sys; from robint_tf.catalogue import ATTRIBUTIONS; ATTRIBUTIONS.full_name('deeplift')\n"
        "assert not {'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_document_lists_every_method_with_its_defaults():
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|", TABLE, re.MULTILINE))
    assert set(rows) == set(ATTRIBUTIONS)
    for name, cell in rows.items():
        told = rows["smoothgrad"] if "as `smoothgrad`" in cell else cell
        defaults = {key: str(value) for key, value in asdict(KINDS[name]()).items()} if name in KINDS else {}
        assert dict(re.findall(r"`(\w+)=([^`]+)`", told)) == defaults
