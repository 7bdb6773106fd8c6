"""Cut the packaged samples (`robint_tf/data/samples/*.npz`) from the full image sets and print their hashes.

usage: python tools/make_samples.py [DATA_DIR]      as for `robint data`; nothing is downloaded

The samples are part of the repository; this only shows how they were made. Each file holds the first 1,000 images that
the authors train on and the first 200 test images, as published: uint8 `train_images`, `train_labels`, `test_images`
and `test_labels`.
"""

import sys
from pathlib import Path

import numpy as np

from robint_tf import data
from robint_tf.catalogue import DATASETS, sample_of
from robint_tf.data import sources

FOLDER = Path(data.__file__).parent / "samples"
N_TRAIN, N_TEST = 1000, 200


def cut(name: str, folder: Path) -> None:
    """Write the sample of one image set; refuses images that are not known to be the published ones."""
    location = sources.find(name, folder)
    if location is None:
        raise SystemExit(sources.how_to_get(name, folder))
    arrays, hashes = {}, []
    first = DATASETS[sample_of(name)].published["train"][0].start
    for split, start, stop in (("train", first, first + N_TRAIN), ("test", 0, N_TEST)):
        raw, _ = sources.read(location, split)
        if sources.n_published(name, split, raw) < stop:
            raise SystemExit(f"{location.folder} does not hold the published {split} images.")
        part = sources.Raw(raw.images[start:stop], raw.labels[start:stop])
        arrays |= {f"{split}_images": part.images, f"{split}_labels": part.labels}
        hashes.append(sources.examples_sha1(part))
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes, examples_sha1 {hashes}")


if __name__ == "__main__":
    for name in sources.IMAGE_SETS:
        cut(name, sources.data_folder(*sys.argv[1:]))
