"""The data sets of the study: float32 images (NHWC) in [-1, 1] and int32 labels, in the authors' order.

datasets      loading by name, fingerprints, the packaged samples; records are in `robint_tf.catalogue`
arrays        data sets from NumPy arrays
sources       where the image sets come from: folders of TensorFlow Datasets, published files
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

__all__ = [
    "DATASETS",
    "DataUnavailable",
    "Dataset",
    "DatasetInfo",
    "Fingerprint",
    "Split",
    "canonical_name",
    "from_arrays",
    "load",
    "toy",
]
