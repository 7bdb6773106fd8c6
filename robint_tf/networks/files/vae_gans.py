"""VAE-GANs as `.keras` files: like those of classifiers, with cards, but never made from what the file says of layers.

The recipe that the file names says which VAE-GAN is built; the file gives its weights. Optimisers are not kept: what is
trained further is trained from a store.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robint_tf.errors import InputError
from robint_tf.networks import vae_gan
from robint_tf.networks.files import cards, keras_file, models
from robint_tf.networks.vae_gan import VAEGAN
from robint_tf.specs import VAEGANSpec, from_dict


@dataclass(frozen=True, eq=False)
class SavedVAEGAN:
    """A VAE-GAN from a file, model, which is not compiled, and the recipe that the file names.

    spec: of its training. train_data: fingerprint of the images it was trained on, as JSON data; None if the file names
    none. discriminator_loss: mean of the last epoch; None where the file's card, which knows it, is not there.
    """

    model: VAEGAN
    spec: VAEGANSpec
    train_data: dict[str, Any] | None
    discriminator_loss: float | None


def save(model: VAEGAN, path: Path | str, card: dict[str, Any]) -> None:
    """Write a VAE-GAN and its card, as `models.save` does, without its optimisers.

    model: trained; path: of the file; card: plain JSON data, with `spec`, by which it is built again. `ValueError`
    unless `path` ends in .keras.
    """
    bare = VAEGAN.from_config(model.get_config())
    bare.set_weights(model.get_weights())
    models.save(bare, path, card)


def load(path: Path | str, *, x_shape: tuple[int, ...] | None = None) -> SavedVAEGAN:
    """The VAE-GAN in the `.keras` file `path`, by its recipe.

    x_shape: of one image (H, W, C). `ValueError` if the file is missing, is no VAE-GAN that `save` has written, or one
    of images of another shape. Reading it takes no more memory than a few times its size, and that of the VAE-GAN.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; name one that holds a VAE-GAN.")
    kind = cards.kind_of(path)
    if kind != VAEGANSpec.__name__:
        raise InputError(
            f"{path} holds no VAE-GAN: it {f'names the recipe of a {kind}' if kind else 'names no recipe'}; name a "
            "file that holds a VAE-GAN with its recipe."
        )
    recipe = cards.recipe_of(path)
    try:
        spec = from_dict(recipe["spec"])
        keras_file.contents(path)
        model = vae_gan.uncompiled(spec.architecture, spec.variant, spec.seed)
        model.load_weights(path)
    except Exception as error:  # Keras raises whatever its readers raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} is not a VAE-GAN that can be loaded: {first}") from error
    takes = model.encoder.example_shape
    if x_shape is not None and tuple(x_shape) != takes:
        raise InputError(f"{path} does not fit: it takes images of shape {takes}, the data set has {tuple(x_shape)}.")
    cards.warn_of_another(path)
    train_data = recipe.get("train_data")
    return SavedVAEGAN(model, spec, train_data if isinstance(train_data, dict) else None, _discriminator_loss(path))


def _discriminator_loss(path: Path) -> float | None:
    card = cards.card_of(path) or {}
    with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
        return float(card["losses"]["discriminator"][-1])
    return None
