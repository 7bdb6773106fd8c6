"""Data of one's own from folders, .npz files and sets that TFDS has prepared: what is read, and what is refused."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from robint_tf import data
from robint_tf.catalogue import OWN
from robint_tf.data import image_files
from robint_tf.errors import DataUnavailable, InputError

SHAPE = (6, 5, 3)
CLASSES = ("ant", "bee", "cat")


def pictures(n, seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n) % len(CLASSES)


TRAIN, TEST = pictures(9, 0), pictures(6, 1)
ARRAYS = {"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]}


def npz(path, **changes):
    np.savez(path, **{name: value for name, value in (ARRAYS | changes).items() if value is not None})
    return str(path)


def folder(root, *, suffix=".png", shape=SHAPE):
    encode = tf.io.encode_png if suffix == ".png" else tf.io.encode_jpeg
    for part, (x, y) in {"train": pictures(9, 0, shape), "test": pictures(6, 1, shape)}.items():
        for i, (image, label) in enumerate(zip(x, y, strict=True)):
            path = root / part / CLASSES[label] / f"{i}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(image).numpy())
    return str(root)


def prepared(root, name="bugs", *, fields=("image", "label")):
    version = root / name / "1.0.0"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text("{}")
    (version / "label.labels.txt").write_text("\n".join(CLASSES))
    for part, (x, y) in {"train": TRAIN, "test": TEST}.items():
        with tf.io.TFRecordWriter(str(version / f"{name}-{part}.tfrecord-00000-of-00001")) as writer:
            for image, label in zip(x, y, strict=True):
                values = {
                    fields[0]: tf.train.Feature(bytes_list=tf.train.BytesList(value=[tf.io.encode_png(image).numpy()])),
                    fields[1]: tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())
    return version


def expected(x):
    return (x / np.float32(127.5) - 1).astype(np.float32)


def labelled(x, y):
    return {image.tobytes(): int(label) for image, label in zip(x, y, strict=True)}


def test_an_npz_file_is_its_arrays(tmp_path):
    found = data.load_own(npz(tmp_path / "a.npz"))
    assert (found.name, found.class_names) == (OWN, ("0", "1", "2"))
    for split, (x, y) in ((found.train, TRAIN), (found.test, TEST)):
        assert labelled(split.x, split.y) == labelled(expected(x), y)
    floats = npz(tmp_path / "b.npz", x_train=TRAIN[0] / 255.0, x_test=TEST[0] / 255.0)
    np.testing.assert_allclose(data.load_own(floats, bounds=(0, 1)).train.x, found.train.x, atol=1e-6)
    assert data.load_own(npz(tmp_path / "c.npz"), bounds=(0, 1)).train.fingerprint == found.train.fingerprint
    few = data.load_own(npz(tmp_path / "d.npz"), n_train=4, n_test=2)
    assert (len(few.train.y), len(few.test.y)) == (4, 2)


def test_a_folder_is_its_images_in_a_mixed_order(tmp_path):
    found = data.load_own(folder(tmp_path))
    assert found.class_names == CLASSES
    np.testing.assert_array_equal(np.bincount(found.train.y), [3, 3, 3])
    assert (np.diff(found.train.y) < 0).any(), "the classes come one after the other"
    assert labelled(found.train.x, found.train.y) == labelled(expected(TRAIN[0]), TRAIN[1])
    assert data.load_own(str(tmp_path)).train.fingerprint == found.train.fingerprint


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_grey_images_have_one_channel(tmp_path, suffix):
    found = data.load_own(folder(tmp_path, suffix=suffix, shape=(6, 5, 1)))
    assert found.train.x.shape == (9, 6, 5, 1)


def test_a_prepared_set_is_its_examples(tmp_path):
    prepared(tmp_path)
    found = data.load_own("tfds:bugs", data_dir=tmp_path)
    assert found.class_names == CLASSES
    assert labelled(found.train.x, found.train.y) == labelled(expected(TRAIN[0]), TRAIN[1])


@pytest.mark.parametrize("n", [60, 90])
def test_the_first_images_of_a_file_sorted_by_class_are_of_all_classes(tmp_path, n):
    x, y = pictures(180, 2)
    by_class = np.argsort(y, kind="stable")
    arrays = {"x": x[by_class], "y": y[by_class]}
    path = npz(tmp_path / "a.npz", **{f"{name}_{part}": arrays[name] for name in "xy" for part in ("train", "test")})
    found = data.load_own(path, n_train=n, n_test=n)
    for split in (found.train, found.test):
        assert np.bincount(split.y, minlength=3).min() > n / 6
    assert found.train.fingerprint != found.test.fingerprint


def test_a_set_is_known_by_its_content_alone(tmp_path):
    prepared(tmp_path)
    one, other = data.load_own("tfds:bugs", data_dir=tmp_path), data.load_own(npz(tmp_path / "a.npz"))
    assert one.train.fingerprint == other.train.fingerprint
    changed = ARRAYS["x_train"].copy()
    changed[0, 0, 0, 0] ^= 1
    third = data.load_own(npz(tmp_path / "b.npz", x_train=changed))
    assert third.train.fingerprint != one.train.fingerprint


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no y_test; it holds x_test, x_train, y_train"),
        ({"x_test": TEST[0][:, :4]}, "give one shape"),
        ({"y_train": TRAIN[1][:-1]}, r"labels \(8,\)"),
        ({"y_train": TRAIN[1] - 1}, "give integers from 0"),
        ({"y_train": TRAIN[1] + 2**40}, "give at most"),
        ({"y_train": TRAIN[1] / 2}, "give integers"),
        ({"y_train": np.array(list("abcabcabc"))}, "give numbers"),
        ({"x_train": TRAIN[0].astype(object)}, "object; give numbers"),
        ({"x_train": np.array([Boom()] * 9, dtype=object)}, "object; give numbers"),
        ({"x_train": TRAIN[0].astype(complex)}, "give numbers"),
        ({"x_train": TRAIN[0] * 1.0}, "give uint8"),
        ({"x_train": TRAIN[0] * np.nan}, "hold NaN"),
        ({"x_train": TRAIN[0][0]}, "images have shape"),
        ({"x_train": TRAIN[0][..., 0], "x_test": TEST[0][..., 0]}, r"give \(N, H, W, C\)"),
        ({"x_train": TRAIN[0][:0], "y_train": TRAIN[1][:0]}, "N from 1"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused_in_one_line(tmp_path, changes, message):
    path = npz(tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=message) as refused:
        data.load_own(path)
    assert str(tmp_path / "a.npz") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_archive_that_claims_too_much_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (2**40, 28, 28, 1), "fortran_order": False, "descr": "|u1"})
    with zipfile.ZipFile(path, "w") as archive:
        for name in ARRAYS:
            archive.writestr(f"{name}.npy", header.getvalue() + b"\0" * 100)
    with pytest.raises(InputError, match="claims shape"):
        data.load_own(str(path))
    monkeypatch.setattr(image_files, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="more than the 1000"):
        data.load_own(npz(tmp_path / "b.npz"))
    with pytest.raises(InputError, match="more than the 1000"):
        data.load_own(folder(tmp_path / "images"))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off", pickle.dumps({"x_train": 1})])
def test_files_that_are_no_archives_are_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        data.load_own(str(path))


def test_folders_that_are_no_data_set_are_refused(tmp_path):
    with pytest.raises(InputError, match="train/CLASS"):
        data.load_own(str(tmp_path))
    root = tmp_path / "images"
    folder(root)
    (root / "test" / "dog").mkdir()
    with pytest.raises(InputError, match="dog"):
        data.load_own(str(root))
    (root / "test" / "dog").rmdir()
    other = root / "train" / "ant" / "other.png"
    other.write_bytes(tf.io.encode_png(np.zeros((7, 7, 3), np.uint8)).numpy())
    with pytest.raises(InputError, match="7 x 7 pixels"):
        data.load_own(str(root))
    other.write_bytes(b"GIF89a")
    with pytest.raises(InputError, match="neither a PNG nor a JPEG"):
        data.load_own(str(root))
    other.write_bytes(tf.io.encode_png(np.zeros(SHAPE, np.uint8)).numpy()[:60])
    with pytest.raises(InputError, match="damaged"):
        data.load_own(str(root))
    other.unlink()
    for path in (root / "test").rglob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match="holds no images"):
        data.load_own(str(root))


def test_what_of_a_folder_is_not_read_is_told(tmp_path, recwarn):
    folder(tmp_path)
    (tmp_path / "train" / "dog").mkdir()
    (tmp_path / "train" / "ant" / "scan.bmp").write_bytes(b"BM")
    (tmp_path / "train" / ".thumbnails").write_bytes(b"")
    data.load_own(str(tmp_path))
    said = [str(warning.message) for warning in recwarn]
    assert [text for text in said if "1 files are not read, such as ant/scan.bmp" in text]
    assert [text for text in said if text.endswith("train: there are no images of dog.")]
    assert [text for text in said if text.endswith("test: there are no images of dog.")]
    (tmp_path / "test").rename(tmp_path / "val")
    with pytest.raises(
        InputError, match="has no folder test; it needs train/CLASS and test/CLASS, and holds train, val"
    ):
        data.load_own(str(tmp_path))


def test_an_image_that_claims_to_be_huge_is_not_decoded(tmp_path):
    root = tmp_path / "images"
    folder(root)
    path = next((root / "train").rglob("*.png"))
    content = bytearray(path.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    path.write_bytes(content)
    with pytest.raises(InputError, match="60000 x 60000"):
        data.load_own(str(root))


def test_places_without_data_are_told(tmp_path):
    with pytest.raises(DataUnavailable, match="neither a folder"):
        data.load_own(str(tmp_path / "nothing"))
    with pytest.raises(DataUnavailable, match="download_and_prepare"):
        data.load_own("tfds:bugs", data_dir=tmp_path)
    for name in ("tfds:", "tfds:../secret", "tfds:/etc"):
        with pytest.raises(InputError, match="names no data set"):
            data.load_own(name, data_dir=tmp_path)
    prepared(tmp_path, fields=("picture", "class"))
    with pytest.raises(InputError, match="not an image and a label"):
        data.load_own("tfds:bugs", data_dir=tmp_path)
    (prepared(tmp_path, "worms") / "worms-test.tfrecord-00000-of-00001").unlink()
    with pytest.raises(InputError, match="does not hold all"):
        data.load_own("tfds:worms", data_dir=tmp_path)


def test_a_damaged_image_of_a_folder_is_named(tmp_path):
    folder(tmp_path)
    path = tmp_path / "test" / "bee" / "4.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"bee/4\.png is damaged"):
        data.load_own(str(tmp_path))


def test_a_home_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="needs a home folder"):
        data.load_own("~no-such-user/pictures")
