"""Everything that has a name: norms, losses, attributions, fills, architectures, VAE-GANs, data sets.

One line here adds one. Light: neither TensorFlow nor NumPy is imported before something is used. docs/extending.md
shows how to add things from outside the package.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from robint_tf import checks
from robint_tf.errors import InputError
from robint_tf.registry import Registry
from robint_tf.settings import Settings, settings_of

NORMS: Registry[Any] = Registry(
    "norm",
    {
        "l2": "robint_tf.attacks.norms:L2",
        "linf": "robint_tf.attacks.norms:LINF",
    },
)
"""Threat models, each a `robint_tf.attacks.norms.NormOps`."""

LOSSES: Registry[Callable] = Registry(
    "loss",
    {
        "xent": "robint_tf.attacks.losses:xent",
        "cw": "robint_tf.attacks.losses:cw",
        "cw_unclamped": "robint_tf.attacks.losses:cw_unclamped",
        "cw_masked": "robint_tf.attacks.losses:cw_masked",
    },
)
"""What an attack maximises: from logits (N, classes) and labels (N,) to one value per example (N,)."""


class Attributions(Registry[Callable]):
    """Some have settings, and a recipe holds their name with all of them: see `robint_tf.settings`."""

    def __getitem__(self, name: str) -> Callable:
        """The method, with the settings that the name holds. `ValueError` for a name that cannot be used."""
        settings = settings_of(name)
        if settings is None:
            return super().__getitem__(name)
        return partial(super().__getitem__(settings.name), settings=settings)

    def full_name(self, name: str | Settings, *others: str) -> str:
        """The name that a recipe holds, with every setting; others: names that stand for themselves, as "random" does.

        `ValueError` for a name that is not registered, and for settings that cannot be used.
        """
        settings = name if isinstance(name, Settings) else settings_of(name)
        if settings is not None:
            return str(settings)
        plain = re.split("[(:]", str(name))[0]
        if plain != name and plain in self:
            raise InputError(f"attribution is {name!r}, but {plain} has no settings; give {plain!r}.")
        return super().full_name(name, *others)  # type: ignore[arg-type]


_ATTRIBUTIONS = "robint_tf.interpretability.attributions"

ATTRIBUTIONS = Attributions(
    "attribution",
    {
        "gradient": f"{_ATTRIBUTIONS}.gradient:gradient",
        "gradient_x_input": f"{_ATTRIBUTIONS}.gradient_x_input:gradient_x_input",
        "gradient_maximum": f"{_ATTRIBUTIONS}.smoothed:gradient_maximum",
        "gradient_gaussian": f"{_ATTRIBUTIONS}.smoothed:gradient_gaussian",
        "integrated_gradients": f"{_ATTRIBUTIONS}.integrated_gradients:integrated_gradients",
        "smoothgrad": f"{_ATTRIBUTIONS}.smoothgrad:smoothgrad",
        "smoothgrad_squared": f"{_ATTRIBUTIONS}.smoothgrad:smoothgrad_squared",
        "vargrad": f"{_ATTRIBUTIONS}.smoothgrad:vargrad",
        "guided_backpropagation": f"{_ATTRIBUTIONS}.by_layer.guided_backpropagation:guided_backpropagation",
        "deeplift": f"{_ATTRIBUTIONS}.by_layer.deeplift:deeplift",
        "lrp_epsilon": f"{_ATTRIBUTIONS}.by_layer.lrp:lrp_epsilon",
        "lrp_composite": f"{_ATTRIBUTIONS}.by_layer.lrp:lrp_composite",
    },
)
"""How much each pixel matters, each an `attributions.protocol.Method`."""

NETWORK_FREE: Registry[Callable] = Registry(
    "attribution without a network",
    {
        "edges": "robint_tf.interpretability.controls:edges",
        "centre": "robint_tf.interpretability.controls:centre",
    },
)
"""Maps that know no network: from images (N, H, W, C) to (N, H, W)."""

FILLS: Registry[Callable] = Registry(
    "fill",
    {
        "authors_mean": "robint_tf.interpretability.occlusion:authors_mean",
        "mean": "robint_tf.interpretability.occlusion:mean_fill",
    },
)
"""What replaced pixels become: from the mean (C,) of the training images on the 0..255 scale to an `occlusion.Fill`."""

ARCHITECTURES: Registry[Any] = Registry(
    "architecture",
    {
        "gaussian_mlp": "robint_tf.networks.classifiers:GAUSSIAN_MLP",
        "mnist_cnn": "robint_tf.networks.classifiers:MNIST_CNN",
        "cifar_cnn": "robint_tf.networks.classifiers:CIFAR_CNN",
    },
)
"""Classifiers, each a `robint_tf.networks.classifiers.Architecture`."""

VAE_GANS: Registry[Any] = Registry(
    "VAE-GAN",
    {
        "mnist": "robint_tf.networks.vae_gan_networks:MNIST_VAE_GAN",
        "fashion_mnist": "robint_tf.networks.vae_gan_networks:FASHION_MNIST_VAE_GAN",
        "cifar10": "robint_tf.networks.vae_gan_networks:CIFAR10_VAE_GAN",
    },
    families={"square": "robint_tf.networks.vae_gan_networks:square"},
)
"""VAE-GANs, each a `robint_tf.networks.vae_gan_networks.Architecture`; the study's are named after their data sets.

`square@40x3` is for images of 40 x 40 pixels and 3 channels, and so on: see `vae_gan_networks.square_name`."""


class Block(NamedTuple):
    """Examples start to stop - 1 of a published file; sha1: of these, written as in CIFAR-10's binary files."""

    start: int
    stop: int
    sha1: str


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetInfo:
    """What is known of a data set before it is loaded.

    class_names: in the order of the labels. shape: of one example, e.g. (28, 28, 1). architecture, vae_gan: of its
    classifier and its VAE-GAN where a spec names none. epochs: for which the authors train each classifier (appendix
    A.2; notebooks 1.1, 2.1, 3.1, 4.1). held_back: how many of the first training images are left out. load: from
    nothing to a `data.Dataset`, for data sets from outside the package.

    Of published image sets: url, from which TFDS downloads; folders, the names of folders in which the published files
    are looked for, with their subfolder `raw`, the last one that of the authors' repository; published, the examples
    of "train" and "test" by hash. Of packaged samples: sample_of, the data set they are taken from.
    """

    class_names: tuple[str, ...]
    shape: tuple[int, ...]
    architecture: str = ""
    vae_gan: str = ""
    epochs: int | None = None
    held_back: int = 0
    load: Callable[[], Any] | None = None
    url: str = ""
    folders: tuple[str, ...] = ()
    published: dict[str, tuple[Block, ...]] = field(default_factory=dict)
    sample_of: str = ""

    def sample(self, dataset: str, start: int, train_sha1: str, test_sha1: str) -> "DatasetInfo":
        """The packaged sample of the data set `dataset`: 1,000 training images from `start` on, and the first 200 test
        images; train_sha1, test_sha1: as in `Block`.
        """
        blocks: dict[str, tuple[Block, ...]] = {
            "train": (Block(start, start + 1000, train_sha1),),
            "test": (Block(0, 200, test_sha1),),
        }
        return replace(self, sample_of=dataset, published=blocks, held_back=0, url="", folders=())


N_VALIDATION = 5000
"""TensorFlow 1's input_data holds the first 5,000 training images back; the authors never use them."""

_MNIST = DatasetInfo(
    class_names=tuple("0123456789"),
    shape=(28, 28, 1),
    architecture="mnist_cnn",
    vae_gan="mnist",
    epochs=5,
    held_back=N_VALIDATION,
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",
    folders=("mnist", "MNIST", "MNIST_data"),
    published={
        "train": (Block(0, 60000, "948958f6a950330418b27be049192c6fd6fef660"),),
        "test": (Block(0, 10000, "a77f7afd6d81caeabd025f4470efad7395408012"),),
    },
)
_FASHION_MNIST = DatasetInfo(
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    shape=(28, 28, 1),
    architecture="mnist_cnn",
    vae_gan="fashion_mnist",
    epochs=5,
    held_back=N_VALIDATION,
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    folders=("fashion_mnist", "fashion-mnist", "FashionMNIST", "FMNIST_data"),
    published={
        "train": (Block(0, 60000, "ba0da7a0b32248b352abae7e8d570e15319a4ff1"),),
        "test": (Block(0, 10000, "4d27b59d09945ee6ec90cd34a70d3671620608e5"),),
    },
)
_CIFAR10 = DatasetInfo(
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=(32, 32, 3),
    architecture="cifar_cnn",
    vae_gan="cifar10",
    epochs=20,
    url="https://www.cs.toronto.edu/~kriz/",
    published={  # the hashes of data_batch_1.bin to data_batch_5.bin and test_batch.bin
        "train": (
            Block(0, 10000, "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
            Block(10000, 20000, "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
            Block(20000, 30000, "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
            Block(30000, 40000, "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
            Block(40000, 50000, "26e2849e66a845b7f1e4614ae70f4889ae604628"),
        ),
        "test": (
            Block(0, 1000, "99fb5092fe8004d15ee248abbc35fef4d858bcb0"),
            Block(0, 10000, "67eb016db431130d61cd03c7ad570b013799c88c"),
        ),
    },
)

DATASETS: Registry[DatasetInfo] = Registry(
    "data set",
    {
        "toy": DatasetInfo(class_names=("Class 1", "Class 2"), shape=(2,), architecture="gaussian_mlp", epochs=10),
        "mnist": _MNIST,
        "fashion_mnist": _FASHION_MNIST,
        "cifar10": _CIFAR10,
        "mnist_sample": _MNIST.sample(
            "mnist",
            N_VALIDATION,
            "c027a125d642ab1c7f99a59a16f3f692c55316a1",
            "4c3f5512edaf8a987563859ef4c48036221a6d42",
        ),
        "fashion_mnist_sample": _FASHION_MNIST.sample(
            "fashion_mnist",
            N_VALIDATION,
            "77ef233db9f65abdc0384965e0124d13c38ee0d5",
            "57c6e2b53eec3ebafd1f151299cb87fb0b509aa6",
        ),
        "cifar10_sample": _CIFAR10.sample(
            "cifar10",
            0,
            "c4abc3cb2476fec3f3f0accbec317aec4b0a8f5f",
            "809855e76a041cfd6f8a3b55f7993ce2a8ccefe5",
        ),
    },
    versioned=False,  # a recipe's key holds the hash of the images
)
"""Data sets by the names that `data.load` takes."""


OWN = "own"
"""What recipes call a data set that has no record: it is known by the hash of its images alone."""


def origin(dataset: str) -> str:
    """The data set that a packaged sample was taken from; `dataset` itself for other names.

    >>> origin("mnist_sample"), origin("mnist")
    ('mnist', 'mnist')
    """
    return (dataset in DATASETS and DATASETS[dataset].sample_of) or dataset


def sample_of(dataset: str) -> str:
    """The name of the packaged sample of `dataset`. `ValueError` if it has none.

    >>> sample_of("cifar10")
    'cifar10_sample'
    """
    samples = {info.sample_of: name for name, info in DATASETS.items() if info.sample_of}
    return samples[checks.one_of("data set", dataset, samples)]
