"""Where the image sets come from: folders prepared by TensorFlow Datasets (TFDS), or the published raw files.

Both give the same arrays, in the order of the published files. TFDS shuffles when it prepares a set, by the MD5 of the
split's name and the example's key. The key of MNIST and Fashion-MNIST is the position in the file, so that the order
can be restored; CIFAR-10 stores the position as `id`. Whether an array is the published one is checked by hash.
"""

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from robint_tf.catalogue import DATASETS
from robint_tf.data import cifar, idx, tfds_folder
from robint_tf.errors import DataUnavailable, InputError

Order = Literal["original", "tfds", "generated", "given"]


class Raw(NamedTuple):
    """images: (N, H, W, C), labels: (N,), both uint8 as published."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Location:
    """A data set on disk. name: of the set; kind: what `folder` is: a version's folder of TFDS ("tfds"), one with the
    four IDX files ("idx"), or what `cifar.find` gives ("cifar").
    """

    name: str
    kind: Literal["tfds", "idx", "cifar"]
    folder: Path

    def __str__(self) -> str:
        named = {"tfds": f"TFDS {self.name}:{self.folder.name}", "idx": "IDX files", "cifar": self.folder.name}
        return named[self.kind]


IMAGE_SETS = tuple(name for name, info in DATASETS.items() if info.url)
"""The published sets. MNIST and Fashion-MNIST use the same file names, so files that do not lie in one of the `folders`
of their record are not taken."""

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def data_folder(data_dir: str | os.PathLike | None = None) -> Path:
    """`data_dir`, else ROBINT_DATA_DIR, else TFDS's own folder (TFDS_DATA_DIR, else ~/tensorflow_datasets).

    `ValueError` for users without a home, and for an argument that is empty; an empty variable counts as not set.
    """
    if data_dir is not None and not str(data_dir):
        raise InputError("'' names no folder of data; give one, such as '.'.", argument="data_dir")
    choice = data_dir or os.environ.get("ROBINT_DATA_DIR") or os.environ.get("TFDS_DATA_DIR")
    try:
        return Path(choice or Path("~") / "tensorflow_datasets").expanduser()
    except RuntimeError as error:
        raise InputError(
            "this user has no home folder; give data_dir, or set ROBINT_DATA_DIR.", argument="data_dir"
        ) from error


def find(name: str, folder: Path) -> Location | None:
    """The image set `name` under `folder`: prepared by TFDS (its newest version), else as published, else None."""
    prepared = [p.parent for p in folder.glob(f"{name}/*/dataset_info.json") if re.fullmatch(r"[\d.]+", p.parent.name)]
    if prepared:
        newest = max(prepared, key=lambda p: [int(part) for part in p.name.split(".") if part])
        return Location(name, "tfds", newest)
    for candidate in _idx_candidates(name, folder):
        if all(_idx_file(candidate, file) for files in IDX_FILES.values() for file in files):
            return Location(name, "idx", candidate)
    if name == "cifar10" and (published := cifar.find(folder)) is not None:
        return Location(name, "cifar", published)
    return None


def how_to_get(name: str, folder: Path) -> str:
    """One line on what was looked for under `folder`, and the ways to get the set `name`."""
    files = ", ".join(file for pair in IDX_FILES.values() for file in pair)
    if DATASETS[name].folders:
        looked_for, put = ", and not all four published files", f", or put {files} (or .gz) into {folder / name}"
    else:
        looked_for, put = ", and no published archive", f", or put one of {', '.join(cifar.ARCHIVES)} into {folder}"
    return (
        f"{name} is not in {folder}: no {folder / name}/<version> prepared by TFDS{looked_for}. Download it "
        f"where there is a network and copy the folder{put}; or use {name}_sample."
    )


def download(name: str, folder: Path) -> Location:
    """Have TFDS download the set `name` into `folder` and prepare it. Returns where it is.

    `DataUnavailable` if that fails, for whatever reason. TFDS prepares in a scratch folder and renames it at the end: a
    failure leaves nothing that looks complete.
    """
    import requests

    try:
        requests.head(DATASETS[name].url, timeout=10)  # TFDS would retry for minutes where there is no network
    except requests.RequestException as error:
        host = urlsplit(DATASETS[name].url).hostname
        raise DataUnavailable(
            f"{host} cannot be reached ({type(error).__name__}). {how_to_get(name, folder)}", dataset=name
        ) from error
    try:
        _tensorflow()
        import tensorflow_datasets as tfds

        config = tfds.download.DownloadConfig(
            try_download_gcs=False,  # the published files, checked by TFDS's own hashes
            compute_stats=tfds.download.ComputeStatsMode.SKIP,
        )
        tfds.builder(name, data_dir=folder).download_and_prepare(download_config=config)
    except Exception as error:  # network, disk, certificates, hashes: all end in the same advice
        location = find(name, folder)  # another process may have been faster
        if location is None:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise DataUnavailable(
                f"{name} could not be downloaded ({type(error).__name__}: {reason}). {how_to_get(name, folder)}",
                dataset=name,
            ) from error
        return location
    return Location(name, "tfds", next(p.parent for p in folder.glob(f"{name}/*/dataset_info.json")))


def read(location: Location, split: str) -> tuple[Raw, Order]:
    """The images of a split, "train" or "test", in the order of the published file where that is known.

    location: where `find` or `download` say that they are. The second value is "tfds" where it cannot: a prepared
    folder without `id`s whose content is not the published one. `DataUnavailable` if the files are damaged.
    """
    info = DATASETS[location.name]
    try:
        if location.kind == "idx":
            raw, order = _read_idx(location.folder, split), None
        elif location.kind == "cifar":
            raw, order = Raw(*cifar.read(location.folder, split)), None
        else:
            _tensorflow()
            n, shape = info.published[split][-1].stop, info.shape
            images, labels, order = tfds_folder.read(location.folder, location.name, split, n=n, shape=shape)
            raw = Raw(images, labels)
    except (ValueError, OSError) as error:
        raise DataUnavailable(f"{location.name}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
    expected, n_classes = info.published[split][-1].stop, len(info.class_names)
    if len(raw.labels) != expected or raw.labels.max() >= n_classes:
        raise DataUnavailable(
            f"{location.name}: {location.folder} holds {len(raw.labels)} {split} images, labels up to "
            f"{raw.labels.max(initial=0)}; the published set {expected}, up to {n_classes - 1}. Get it again."
        )
    if location.kind != "tfds":
        return raw, "original"
    if order is not None:
        return Raw(raw.images[order], raw.labels[order]), "original"
    order = np.argsort(tfds_order(split, len(raw.labels)))
    restored = Raw(raw.images[order], raw.labels[order])
    if n_published(location.name, split, restored) == len(raw.labels):
        return restored, "original"
    return raw, "tfds"


def tfds_order(split: str, n: int) -> np.ndarray:
    """Original positions in the order in which TFDS stores n examples of a split keyed by position, (n,) int64."""
    return np.argsort([hashlib.md5(f"{split}{i}".encode()).hexdigest() for i in range(n)])


def n_published(name: str, split: str, raw: Raw) -> int:
    """How many images of `raw`, counted from the first, are known to be those of the published file, in its order.

    name: of the data set; split: "train" or "test".
    """
    confirmed = 0
    for block in DATASETS[name].published[split]:
        part = Raw(raw.images[block.start : block.stop], raw.labels[block.start : block.stop])
        is_next = block.start <= confirmed and len(raw.labels) >= block.stop
        if is_next and examples_sha1(part) == block.sha1:
            confirmed = block.stop
    return confirmed


def examples_sha1(raw: Raw) -> str:
    """SHA-1 of the examples in raw as in CIFAR-10's binary files: label, then the pixels channel by channel, bytes."""
    pixels = raw.images.transpose(0, 3, 1, 2).reshape(len(raw.images), -1)
    return hashlib.sha1(np.concatenate([raw.labels[:, None], pixels], axis=1).data).hexdigest()


def _idx_candidates(name: str, folder: Path) -> list[Path]:
    names = DATASETS[name].folders
    around = [folder / n for n in names] + ([folder] if folder.resolve().name in names else [])
    return [candidate for f in around for candidate in (f, f / "raw")]


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _read_idx(folder: Path, split: str) -> Raw:
    paths = [_idx_file(folder, name) for name in IDX_FILES[split]]
    if None in paths:
        raise FileNotFoundError(f"{folder} holds no {' or no '.join(IDX_FILES[split])}.")
    images, labels = idx.read(paths[0], n_dims=3), idx.read(paths[1], n_dims=1)  # type: ignore[arg-type]
    if len(images) != len(labels):
        raise InputError(f"{folder} holds {len(images)} {split} images but {len(labels)} labels; get both again.")
    return Raw(images[..., None], labels)


def _tensorflow() -> None:
    """Start TensorFlow quietly, and so that it does not take a whole GPU for decoding images."""
    from robint_tf.runtime import device  # noqa: F401, I001  (before TensorFlow, to load it without its notices)
    import tensorflow as tf

    with contextlib.suppress(RuntimeError, ValueError):  # TensorFlow runs already: its settings stand
        for gpu in tf.config.get_visible_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
