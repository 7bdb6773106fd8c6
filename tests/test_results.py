import json

import numpy as np
import pytest

from robint_tf import results
from robint_tf.results import ResultsError


def test_results_survive_the_file(tmp_path):
    path = tmp_path / "a.json"
    content = {"figure": "x", "a": np.float32(0.5), "b": [1, 2.5, None], "c": {"d": np.arange(3)}, "e": [{"f": True}]}
    results.write(path, content)
    assert results.read(path) == {
        "schema": results.SCHEMA,
        "figure": "x",
        "a": 0.5,
        "b": [1, 2.5, None],
        "c": {"d": [0, 1, 2]},
        "e": [{"f": True}],
    }
    first = path.read_bytes()
    results.write(path, content)
    assert path.read_bytes() == first


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf")])
def test_numbers_that_json_lacks_are_refused_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "a.json"
    results.write(path, {"a": 1})
    with pytest.raises(ValueError, match="finite"):
        results.write(path, {"a": [value]})
    assert results.read(path)["a"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "not valid JSON"),
        ("[]", "schema None"),
        (json.dumps({"schema": results.SCHEMA + 1}), f"schema {results.SCHEMA + 1}, this version reads"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ResultsError, match=message) as refusal:
        results.read(path)
    assert "a.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_was_changed_afterwards_is_refused(tmp_path):
    path = tmp_path / "a.json"
    results.write(path, {"a": 0.25, "b": "x"})
    for change in (("0.25", "0.26"), ('"x"', '"y"'), ('"sha256"', '"other"')):
        edited = tmp_path / "b.json"
        edited.write_text(path.read_text().replace(*change))
        with pytest.raises(ResultsError, match=r"b\.json was changed after it was written"):
            results.read(edited)
    spaced = tmp_path / "c.json"
    spaced.write_text(json.dumps(json.loads(path.read_text())))  # another layout is no other content
    assert results.read(spaced) == results.read(path)


@pytest.mark.parametrize("found", ["edited", "torn", "newer", "somebody else's"])
def test_a_file_that_would_be_refused_is_kept_aside_when_its_place_is_written_to(tmp_path, found):
    path = tmp_path / "a.json"
    results.write(path, {"a": 0.25})
    text = {
        "edited": path.read_text().replace("0.25", "0.26"),
        "torn": path.read_text()[:-9],
        "newer": json.dumps({"schema": results.SCHEMA + 1}),
        "somebody else's": "notes",
    }[found]
    path.write_text(text)
    with pytest.warns(UserWarning, match=r"a\.json was not what .* had written; it is kept as .*a\.json\.kept-"):
        results.write(path, {"a": 0.5})
    assert results.read(path)["a"] == 0.5
    (aside,) = tmp_path.glob("a.json.kept-*")
    assert aside.read_text() == text


def test_summary_of_one_value_has_no_spread():
    assert results.summary([2.0]) == {"mean": 2.0, "sd": None, "min": 2.0, "max": 2.0, "values": [2.0]}
    assert results.summary([1.0, 3.0])["sd"] == pytest.approx(np.sqrt(2))


def test_images_come_back_to_the_nearest_of_256_levels():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 3)).astype("float32")
    levels = results.unpacked(json.loads(json.dumps(results.packed(images))))
    assert levels.dtype == np.uint8
    np.testing.assert_allclose(levels / 127.5 - 1, images, atol=1 / 255 + 1e-6)
    ends = results.unpacked(results.packed(np.array([-1.5, -1.0, 1.0, 1.5])))
    assert ends.tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("damage", [{"shape": [3]}, {"uint8": "?"}, {"shape": "x"}])
def test_damaged_images_are_an_error_in_one_line(damage):
    with pytest.raises(results.ResultsError, match="damaged"):
        results.unpacked({**results.packed(np.zeros((2, 2))), **damage})
