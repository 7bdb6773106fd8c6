"""Attributions of small networks as Captum and Zennit compute them, in float64, for tests that need neither.

usage: pip install ".[oracles]"
       python tools/attribution_oracles.py --write    make tests/golden/attribution_oracles.npz

The file holds weights, images and baselines beside the attributions, so that a test needs nothing else.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import captum.attr
import numpy as np
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import nn
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import EpsilonGammaBox

from robint_tf.interpretability.attributions.smoothgrad import noise
from robint_tf.settings import IntegratedGradients, LRPComposite, LRPEpsilon, SmoothGrad
from robint_tf.store.folders import atomic_path

PATH = Path(__file__).parents[1] / "tests" / "golden" / "attribution_oracles.npz"
SHAPE, N_CLASSES, N_IMAGES = (8, 8, 3), 4, 6
STEPS, SAMPLES = 20, 8


class Problem(NamedTuple):
    """weights: as `get_weights` of the Keras network of the same name in the test; images (N, H, W, C); baselines."""

    weights: list[np.ndarray]
    x: np.ndarray
    colour: np.ndarray
    image: np.ndarray


SHAPES = {
    "pooled": [(3, 3, 3, 6), (6,), (3, 3, 6, 8), (8,), (32, 10), (10,), (10, N_CLASSES), (N_CLASSES,)],
    "averaged": [(3, 3, 3, 6), (6,), (6,), (6,), (6,), (6,), (5, 5, 6, 8), (8,), (8, N_CLASSES), (N_CLASSES,)],
}
"""Of the weights: two convolutions, each with a ReLU and a max-pooling, and two dense layers; two convolutions, the
first with a batch normalisation (gamma, beta, mean, variance), an average pooling between them, a global one behind."""


def problem(name: str) -> Problem:
    """A network with weights of the usual size, biases of both signs, and images."""
    rng = np.random.default_rng(sorted(SHAPES).index(name))
    weights = []
    for i, shape in enumerate(SHAPES[name]):
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.2
        values = rng.normal(0, scale, shape)
        weights.append(1 + np.abs(values) if name == "averaged" and i in (2, 5) else values)
    x, image = rng.uniform(-1, 1, (N_IMAGES, *SHAPE)), rng.uniform(-1, 1, SHAPE)
    parts = (np.float32(part) for part in (x, [0.1, -0.2, 0.3], image))
    return Problem([np.float32(w) for w in weights], *parts)


class Network(nn.Module):
    """Takes images (N, C, H, W) in float64. The flattened images go to the dense layers channels first."""

    def __init__(self, name: str, weights: list[np.ndarray]) -> None:
        super().__init__()
        w = [torch.from_numpy(v).double() for v in weights]
        if name == "pooled":
            stages = [_conv(w[0], w[1]), nn.ReLU(), nn.MaxPool2d(2), _conv(w[2], w[3]), nn.ReLU(), nn.MaxPool2d(2)]
            self.features = nn.Sequential(*stages)
            kernel = w[4].reshape(2, 2, 8, 10).permute(2, 0, 1, 3).reshape(32, 10)
            self.end = nn.Sequential(_dense(kernel, w[5]), nn.ReLU(), _dense(w[6], w[7]))
        else:
            norm = nn.BatchNorm2d(6, eps=1e-3, dtype=torch.float64)
            state = dict(zip(("weight", "bias", "running_mean", "running_var"), w[2:6], strict=True))
            norm.load_state_dict(state, strict=False)
            self.features = nn.Sequential(
                _conv(w[0], w[1]), norm, nn.ReLU(), nn.AvgPool2d(2), _conv(w[6], w[7]), nn.ReLU(), nn.AvgPool2d(4)
            )
            self.end = nn.Sequential(_dense(w[8], w[9]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.features(x).flatten(1))

    def with_copies(self) -> "Network":
        """The same with a tensor of its own for every max-pooling, without which Captum's DeepLIFT is not complete.

        Its hooks on one tensor run in the order of their registration: that of the ReLU, which wrote it, notes the
        gradient before that of the max-pooling, which reads it, has put its multipliers in (captum issue 1104).
        """
        self.features = nn.Sequential(
            *(nn.Sequential(Copy(), stage) if isinstance(stage, nn.MaxPool2d) else stage for stage in self.features)
        )
        return self


class Copy(nn.Module):
    """The same values in another tensor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


def _conv(kernel: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    height, width, inside, outside = kernel.shape
    layer = nn.Conv2d(inside, outside, (height, width), padding="same", dtype=torch.float64)
    layer.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
    return layer


def _dense(kernel: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(*kernel.shape, dtype=torch.float64)
    layer.load_state_dict({"weight": kernel.T, "bias": bias})
    return layer


def computed(name: str, given: Problem) -> dict[str, np.ndarray]:
    """By attribution, its full name where it has settings: values (N, H, W, C) float64.

    "deeplift image" has the image for its baseline, everything else the colour.
    """

    def network() -> Network:  # a new one for each method: they leave hooks behind
        return Network(name, given.weights).eval()

    parts = (given.x, _spread(given), given.image)
    x, colour, image = (torch.from_numpy(v).double().movedim(-1, -3).contiguous() for v in parts)
    label = network()(x).argmax(dim=1)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(network()(x), label.repeat(len(x) // len(label)), reduction="none")

    smooth = SmoothGrad(samples=SAMPLES)
    found = {
        str(IntegratedGradients(steps=STEPS)): captum.attr.IntegratedGradients(loss).attribute(
            x, colour[None], n_steps=STEPS, method="riemann_middle"
        ),
        "guided_backpropagation": captum.attr.GuidedBackprop(network()).attribute(x, target=label),
        "deeplift": captum.attr.DeepLift(network().with_copies()).attribute(x, colour[None], target=label),
        "deeplift image": captum.attr.DeepLift(network().with_copies()).attribute(x, image[None], target=label),
        str(LRPEpsilon()): _lrp(network(), x, label),
        str(LRPComposite()): _composite(network(), x, label),
    }
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(loss))
    for ours, theirs in (("smoothgrad", "smoothgrad"), ("smoothgrad_squared", "smoothgrad_sq"), ("vargrad", "vargrad")):
        with _draws(smooth):
            found[str(smooth).replace("smoothgrad", ours)] = tunnel.attribute(
                x, nt_type=theirs, nt_samples=SAMPLES, nt_samples_batch_size=1, stdevs=smooth.noise, abs=False
            )
    return {key: values.detach().movedim(1, -1).numpy() for key, values in found.items()}


def _spread(given: Problem) -> np.ndarray:
    return np.broadcast_to(given.colour, SHAPE).copy()


def _lrp(network: Network, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d | nn.BatchNorm2d):
            layer.rule = EpsilonRule(LRPEpsilon().epsilon)
    return captum.attr.LRP(network).attribute(x, target=label)


def _composite(network: Network, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    rules = EpsilonGammaBox(low=-1.0, high=1.0, canonizers=[SequentialMergeBatchNorm()])
    with Gradient(model=network, composite=rules) as attributor:
        _, relevance = attributor(x, lambda out: out * nn.functional.one_hot(label, N_CLASSES))
    return relevance


@contextmanager
def _draws(settings: SmoothGrad) -> Iterator[None]:
    """Captum's noise, drawn by PyTorch, becomes ours: draw i at its i-th call, the same for all images."""
    draws = iter(noise(SHAPE, settings))

    def normal(mean: float, std: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(next(draws)).double().movedim(-1, 0).expand(std.shape)

    with mock.patch.object(torch, "normal", normal):
        yield


def everything() -> dict[str, np.ndarray]:
    """All arrays of the file by key."""
    versions = {name: version(name) for name in ("captum", "zennit", "torch")}
    arrays = {"meta": np.array(json.dumps({"versions": versions}))}
    for name in SHAPES:
        given = problem(name)
        arrays |= {f"{name}/w{i}": w for i, w in enumerate(given.weights)}
        arrays |= {f"{name}/{key}": getattr(given, key) for key in ("x", "colour", "image")}
        arrays |= {f"{name}/{key}": values.astype(np.float32) for key, values in computed(name, given).items()}
    return arrays


def main() -> None:
    """Make the file, or say how the numbers differ from those in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the file anew")
    arrays = everything()
    if parser.parse_args().write:
        with atomic_path(PATH) as path:
            np.savez_compressed(path, **arrays)
        return
    with np.load(PATH) as file:
        for key in sorted(set(arrays) - {"meta"}):
            print(f"{key:60} largest difference {np.abs(arrays[key] - file[key]).max():.1e}")


if __name__ == "__main__":
    main()
