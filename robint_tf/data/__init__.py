"""The data sets of the study: float32 images (NHWC) in [-1, 1] and int32 labels, in the authors' order.

Modules:

    datasets      loading by name, fingerprints, the packaged samples; records are in `robint_tf.catalogue`
    arrays        data sets from NumPy arrays
    own           a data set of one's own: a folder of images, an .npz file, any set that TFDS has prepared
    image_files   readers of these
    sources       where the image sets come from: folders of TensorFlow Datasets, published files
    jpeg          images after the way through a JPEG file
    cifar, idx, cifar_pickle, tfds_folder    readers of the published files, and of folders of TensorFlow Datasets
"""

from robint_tf.catalogue import DATASETS, DatasetInfo
from robint_tf.data.arrays import from_arrays
from robint_tf.data.datasets import (
    Dataset,
    DataUnavailable,
    Fingerprint,
    Split,
    canonical_name,
    load,
    toy,
)
from robint_tf.data.own import load_own

__all__ = [
    "DATASETS",
    "DataUnavailable",
    "Dataset",
    "DatasetInfo",
    "Fingerprint",
    "Split",
    "arrays",
    "canonical_name",
    "cifar",
    "cifar_pickle",
    "datasets",
    "from_arrays",
    "idx",
    "image_files",
    "jpeg",
    "load",
    "load_own",
    "own",
    "sources",
    "tfds_folder",
    "toy",
]
