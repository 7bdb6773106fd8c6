"""The data sets of the study: float32 images (NHWC) in [-1, 1] and int32 labels, in the authors' order.

Modules:

    datasets      what can be loaded, fingerprints, the packaged samples
    sources       where the image sets come from: folders of TensorFlow Datasets, published files
    cifar, idx, cifar_pickle, tfds_folder    readers of the published files, and of folders of TensorFlow Datasets
"""

from robint_tf.data.datasets import (
    DATASETS,
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
    "Fingerprint",
    "Split",
    "canonical_name",
    "cifar",
    "cifar_pickle",
    "datasets",
    "idx",
    "load",
    "sources",
    "tfds_folder",
    "toy",
]
