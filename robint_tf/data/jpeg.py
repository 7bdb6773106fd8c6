"""Images as they come back from JPEG files: what a data set that was kept in such files has lost."""

import numpy as np
import tensorflow as tf

from robint_tf.errors import InputError


def compressed(x: np.ndarray, quality: int) -> np.ndarray:
    """Images x (N, H, W, C) float32 in [-1, 1], C 1 or 3, after the way through a JPEG file each; as x.

    quality: 1 to 100, as libjpeg counts it; colour is stored at half the resolution, as is usual. Pixels are rounded to
    the 256 levels of a file first. `ValueError` for another quality or shape.

    >>> grey = np.zeros((1, 8, 8, 1), np.float32)
    >>> float(np.abs(compressed(grey, 75) - grey).max()) < 1 / 127.5
    True
    """
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InputError(f"quality is {quality!r}; give a whole number from 1 to 100.")
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise InputError(f"images have shape {x.shape}; JPEG files hold images (H, W, C) of 1 or 3 channels.")
    levels = np.round((np.clip(x, -1, 1) + 1) * 127.5).astype(np.uint8)
    back = [_decoded(tf.io.encode_jpeg(image, quality=quality, chroma_downsampling=True)) for image in levels]
    return np.stack(back).reshape(x.shape).astype(np.float32) / np.float32(127.5) - np.float32(1)


def _decoded(file: tf.Tensor) -> np.ndarray:
    return tf.io.decode_jpeg(file, dct_method="INTEGER_ACCURATE").numpy()  # the same numbers on every machine
