"""Checks of images, labels and networks before and while they are used, each refused in one sentence.

x: images (N, ...) float32 in [-1, 1]; y: labels (N,), whole numbers from 0; network: any Keras model from images to
logits (N, classes).
"""

import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from robint_tf.errors import InputError
from robint_tf.networks.bounds import Bounded
from robint_tf.networks.classifiers import Network
from robint_tf.runtime import device
from robint_tf.specs import PGD

PIXEL_MIN, PIXEL_MAX = -1.0, 1.0
EXAMINED = 64
"""Images on which a network is tried before its use; what it returns for the others is checked as it comes."""


class NotFiniteError(InputError, ArithmeticError):
    """A network returned NaN or infinite numbers."""


def images(x: Any) -> np.ndarray:
    """Images (N, ...) as an array. `ValueError` for a `tf.data.Dataset`, and where there is no axis of images."""
    if isinstance(x, tf.data.Dataset):
        raise InputError(
            "images are a tf.data.Dataset; give arrays: for one of batches, "
            "x, y = (np.concatenate(part) for part in zip(*dataset.as_numpy_iterator()))."
        )
    x = np.asarray(x)
    if x.ndim < 2:
        raise InputError(f"images have shape {x.shape}; give (N, ...), the number of images first.")
    return x


def labels(y: Any) -> np.ndarray:
    """Labels as an array (N,); of shape (N, 1), as Keras' data sets give them, they are flattened.

    `ValueError` for one-hot labels and any that are not whole numbers.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        remedy = "y.argmax(axis=-1) if they are one-hot" if y.ndim == 2 else "one number an image"
        raise InputError(f"labels have shape {y.shape}; give whole numbers of shape (N,): {remedy}.")
    if not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"labels are {y.dtype}; give integers.")
    return y


def check(network: Network, x: np.ndarray, y: np.ndarray | None = None, *, attacked: bool = True) -> None:
    """Refuse what would make results meaningless, warn of what probably does; x and y as the functions above make them.

    attacked: whether gradients to the images will be taken. `ValueError` as in `check_images` and `check_network`, for
    random layers that are active at inference, and for a network without gradients.
    """
    check_images(network, x, y)
    logits = check_network(network, x, y)
    again = called(network, x[:EXAMINED])
    if not np.allclose(logits, again, atol=1e-4 * max(1.0, float(np.abs(logits).max()))):
        raise InputError("two calls of the network differ; switch off dropout or noise that is active at inference.")
    if attacked:
        check_differentiable(network, x)


def check_images(network: Network, x: np.ndarray, y: np.ndarray | None = None) -> None:
    """`ValueError` unless x is as `check_pixels` wants it, of the network's shape, and has a label for each."""
    if not isinstance(network, keras.Model):
        raise InputError(f"the network is {type(network).__name__}; give a Keras model from images to logits.")
    n_labels = len(x) if y is None else len(y)
    if len(x) != n_labels or not len(x):
        raise InputError(f"there are {len(x)} images and {n_labels} labels; give one label an image, and at least one.")
    takes = declared_shape(network)
    if takes is not None and not fits(takes, x.shape[1:]):
        raise InputError(f"images have shape {x.shape[1:]}; the network takes {takes} (NHWC).")
    low = check_pixels(x)
    if low >= 0:
        _warn_once(network, f"no pixel is below 0 (least {low:g}); images in [0, 1] go to [-1, 1] by 2 * x - 1.")


def check_pixels(x: np.ndarray) -> float:
    """The least pixel of x. `ValueError` unless x holds numbers of float32 in [-1, 1]."""
    if x.dtype != np.float32:
        raise InputError(f"images are {x.dtype}; give float32 in [-1, 1] (pixel / 127.5 - 1 for 8-bit images).")
    if not x.size:
        raise InputError(f"images have shape {x.shape}; give at least one, of at least one pixel.")
    low, high = float(x.min()), float(x.max())  # NaN where there is one
    if not np.isfinite([low, high]).all():
        raise InputError("images hold NaN or infinite pixels; remove them.")
    if low < PIXEL_MIN or high > PIXEL_MAX:
        raise InputError(
            f"pixels range over [{low:g}, {high:g}]; scale them to [-1, 1], also for a network of other images, which "
            "robint_tf.networks.bounds.Bounded makes one of these."
        )
    return low


def declared_shape(network: Network) -> tuple[int | None, ...] | None:
    """What a network says that it takes, without the batch axis, None for any size; None where it says nothing.

    `ValueError` for a network of several inputs.
    """
    if isinstance(network, Bounded):
        return declared_shape(network.network)
    shape = getattr(network, "input_shape", None)
    if shape is None:
        return None
    if isinstance(shape, list) and len(shape) == 1:
        shape = shape[0]
    if isinstance(shape, dict) or not all(side is None or isinstance(side, int) for side in shape):
        raise InputError(f"the network {network.name!r} has several inputs; give one that takes images alone.")
    return tuple(shape[1:])


def fits(takes: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    """Whether an image of this shape is what a network takes, as `declared_shape` tells it.

    >>> fits((None, None, 3), (32, 32, 3)), fits((28, 28, 1), (32, 32, 3))
    (True, False)
    """
    return len(takes) == len(shape) and all(a in (None, b) for a, b in zip(takes, shape, strict=True))


def check_network(network: Network, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Logits (N, classes) of the first images; a network without weights gets them.

    `ValueError` if it cannot be called on such images, returns anything but logits, returns NaN, or probabilities, or
    knows fewer classes than there are among the labels.
    """
    if rescales(network):
        _warn_once(
            network,
            "the network begins by scaling its images, so it may take others than those in [-1, 1]; say which by its "
            "bounds, 0,255 for example (in Python Bounded(network, bounds=(0, 255))), or -1,1 if it takes these.",
        )
    logits = called(network, x[:EXAMINED])
    check_finite(logits)
    # The logits of a single image may add up to 1 by chance, not those of its negative as well.
    if _are_probabilities(logits) and _are_probabilities(called(network, 0.5 * (1 - x[:EXAMINED]))):
        raise InputError(
            "the network returns probabilities (rows sum to 1), attacks need logits; remove its softmax"
            f"{_without(network)}."
        )
    if logits.min() >= 0 and logits.max() <= 1 and (name := _end(network)[1]) in SQUASHING:
        raise InputError(
            f"the network ends in a {name}, attacks need logits, one a class; remove it{_without(network)}."
        )
    n_classes = logits.shape[-1]
    if y is not None and (y.min() < 0 or y.max() >= n_classes):
        raise InputError(f"labels range over [{y.min()}, {y.max()}]; give integers from 0 to {n_classes - 1}.")
    return logits


def _are_probabilities(values: np.ndarray) -> bool:
    """Whether rows sum to 1, as far as bfloat16 tells."""
    return bool(values.min() >= 0 and np.allclose(values.sum(axis=-1), 1, atol=5e-3))


SQUASHING = ("sigmoid", "hard_sigmoid", "hardsigmoid", "softmax")
"""Activations that a last layer may not have, or be."""


def _end(network: Network) -> tuple[Any, str]:
    """The last layer or operation, and the name of its activation, or of what it is."""
    *_, last = None, *_in_order(network.network if isinstance(network, Bounded) else network)
    return last, str(getattr(getattr(last, "activation", None), "__name__", type(last).__name__)).lower()


def _without(network: Network) -> str:
    """A line of code by which a network loses what `_end` names; empty where none is sure."""
    network = network.network if isinstance(network, Bounded) else network
    last, _ = _end(network)
    if not hasattr(last, "activation") or last is not network.layers[-1]:
        return ""
    return ": network.layers[-1].activation = keras.activations.linear"


def called(network: Network, x: np.ndarray) -> np.ndarray:
    """Logits (N, classes) float32 of a few images. `ValueError` for a network that returns anything else."""
    device.begin()
    try:
        found = network(x, training=False)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:  # whatever its layers raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the network cannot be called on images of shape {x.shape}: {first}") from error
    for variable in network.variables:
        # Keras gives a subclassed model's weights their values when it has traced the model, but no later one's in a
        # process where that has failed for another model before; each call would draw new ones.
        if getattr(variable, "_value", variable) is None:
            variable._deferred_initialize()
    if isinstance(found, list | tuple | dict):
        raise InputError(f"the network returns {len(found)} outputs; give one that returns logits (N, classes) alone.")
    shape = tuple(found.shape)
    if shape in ((len(x),), (len(x), 1)):
        raise InputError(
            "the network returns one number an image; give it one logit a class, for two classes 0 and that number."
        )
    if len(shape) != 2 or shape[0] != len(x):
        raise InputError(f"the network returns shape {shape} for {len(x)} images; it must return logits (N, classes).")
    return tf.cast(found, tf.float32).numpy()


def check_differentiable(network: Network, x: np.ndarray) -> None:
    """`ValueError` for a network whose logits have no gradient with respect to its images."""
    image = tf.constant(x[:1])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(image)
        total = tf.reduce_sum(tf.cast(network(image, training=False), tf.float32))
    if tape.gradient(total, image) is None:
        raise InputError("the network has no gradient with respect to its images; look for rounding or integer layers.")


def check_finite(values: np.ndarray, first: int = 0, what: str = "logits") -> None:
    """`NotFiniteError` that names the first image for which a network gave NaN or infinite numbers.

    values: (N, ...); first: the number of the first image in its data set; what: the name of the values.
    """
    if np.isfinite(values).all():
        return
    bad = first + int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
    raise NotFiniteError(
        f"the network returns NaN or infinite {what} for image {bad}; its weights are damaged, its training diverged, "
        "or its numbers are too large for its precision."
    )


def rescales(network: Network) -> bool:
    """Whether a network scales its images before its first weights, and nobody has said in which bounds they are."""
    for part in _in_order(network):
        is_sum = type(part).__name__ in SCALING and not isinstance(part, layers.Layer)
        if is_sum or isinstance(part, layers.Rescaling | layers.Normalization):
            return True
        if isinstance(part, Bounded) or getattr(part, "trainable_variables", False):
            return False
    return False


SCALING = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")
"""Operations of images and numbers, as where a functional model is made of image / 255."""


def _in_order(network: Network) -> Iterator[Any]:
    """The layers of a network and its operations that are none; of networks within it, a `Bounded` one as a whole."""
    if isinstance(network, Bounded):
        yield network
        return
    for part in network.operations if isinstance(network, keras.Function) else network.layers:
        yield from _in_order(part) if isinstance(part, keras.Model) else (part,)


_SAID: "weakref.WeakKeyDictionary[Network, set[str]]" = weakref.WeakKeyDictionary()
_SHORT: set[PGD] = set()


def _warn_once(network: Network, message: str) -> None:
    """A warning that is given once for a network."""
    said = _SAID.setdefault(network, set())
    if message not in said:
        said.add(message)
        warnings.warn(message, stacklevel=5)


def warn_of_sorted_labels(y: np.ndarray) -> None:
    """Say of labels (N,) that they come one class after the other: each batch would teach one class alone."""
    shares = np.bincount(y) / len(y)
    expected = (len(y) - 1) * (1 - np.square(shares).sum())  # changes from one label to the next in a random order
    if len(y) >= FEWEST and np.count_nonzero(np.diff(y)) < expected / 2:
        warnings.warn(
            "the training images come one class after the other, and are not shuffled; give Training(shuffle=True), or "
            "put them into a random order.",
            stacklevel=3,
        )


FEWEST = 30
"""Labels of which it can be told whether their order is random."""


def warn_of_short_steps(attack: PGD) -> None:
    """Say once of an attack that its steps cannot reach its eps; with a random start they need not."""
    if attack.is_short and attack not in _SHORT:
        _SHORT.add(attack)
        reach = attack.n_steps * attack.step_size
        warnings.warn(
            f"{attack.n_steps} steps of {attack.step_size:g} reach {reach:g} at most, not the eps of {attack.eps:g}; "
            "take more steps or larger ones.",
            stacklevel=4,
        )
