"""Images after JPEG: what comes back, and what it costs a network."""

import io

import numpy as np
import pytest

from robint_tf.data import datasets, jpeg
from robint_tf.store import results


@pytest.fixture(scope="module")
def photos():
    return datasets.load("cifar10_sample").test.x[:20]


def test_a_higher_quality_loses_less_and_nothing_leaves_the_range(photos):
    lost = [np.abs(jpeg.compressed(photos, quality) - photos).mean() for quality in (10, 75, 100)]
    assert lost[0] > 2 * lost[1] > 2 * lost[2] > 0
    rough = jpeg.compressed(photos, 1)
    assert rough.shape == photos.shape
    assert rough.dtype == np.float32
    assert np.abs(rough).max() <= 1


def test_another_library_reads_and_writes_the_same_pictures(photos):
    """Pillow has a libjpeg of its own; decoders differ by a few levels where they scale the colours up."""
    image = pytest.importorskip("PIL.Image")
    levels = np.round((photos + 1) * 127.5).astype(np.uint8)
    theirs = []
    for picture in levels:
        file = io.BytesIO()
        image.fromarray(picture).save(file, "JPEG", quality=75)
        theirs.append(np.asarray(image.open(file)))
    ours = np.round((jpeg.compressed(photos, 75) + 1) * 127.5)
    assert np.abs(ours - np.stack(theirs)).mean() < 0.5  # of 255 levels
    assert np.abs(ours - levels).mean() > 2


def test_grey_images_stay_grey():
    digits = datasets.load("mnist_sample").test.x[:3]
    found = jpeg.compressed(digits, 90)
    assert found.shape == digits.shape
    assert 0 < np.abs(found - digits).mean() < 0.1


@pytest.mark.parametrize(
    ("shape", "quality", "message"),
    [((2, 8, 8, 3), 0, "quality is 0"), ((2, 8, 8, 3), 75.0, "quality is 75.0"), ((2, 8), 75, r"shape \(2, 8\)")],
)
def test_what_no_jpeg_file_holds_is_refused(shape, quality, message):
    with pytest.raises(ValueError, match=message):
        jpeg.compressed(np.zeros(shape, np.float32), quality)


def test_evaluate_tells_what_jpeg_costs(robint, tmp_path):
    few = ["--dataset", "cifar10-sample", "--n-test", "30"]
    robint("train", *few, "--epochs", "1", "--n-train", "100", "--save", "m.keras")
    text = robint("evaluate", "m.keras", *few, "--jpeg", "20", "--json", "e.json")
    found = results.read(tmp_path / "e.json")
    lossy, (clean,) = found["jpeg"], found["evaluations"]
    assert "after JPEG of quality 20: " in text
    assert "--jpeg 20" in found["provenance"]["command"]
    assert lossy["difference"]["value"] == pytest.approx(lossy["accuracy"] - clean["accuracy"])
    low, high = lossy["difference"]["interval_95"]
    assert low < lossy["difference"]["value"] < high
    assert "jpeg" not in robint("evaluate", "m.keras", *few)
    robint("train", "--dataset", "toy", "--epochs", "1", "--n-train", "200", "--save", "t.keras")
    assert "1 or 3 channels" in robint(
        "evaluate", "t.keras", "--dataset", "toy", "--n-test", "9", "--jpeg", "75", code=2
    )
