import hashlib
import json
import os

import numpy as np
import pytest

from robint_tf.store import results
from robint_tf.store.results import ResultsError


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


def digest(content):
    """As a hostile writer who knows the format makes it."""
    return hashlib.sha256(results._render(content, 0).encode()).hexdigest()


HOSTILE = {
    "NaN": '{"schema": 1, "a": NaN}',
    "minus infinity": '{"schema": 1, "a": [-Infinity]}',
    "1e999": '{"schema": 1, "a": 1e999}',
    "lone surrogate": '{"schema": 1, "a": "\\ud800"}',
    "lone surrogate as a key": '{"schema": 1, "\\udfff": 1}',
    "deep lists": '{"schema": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "lists as deep as the parser goes": '{"schema": 1, "a": ' + "[" * 900 + "]" * 900 + "}",
    "deep objects": '{"a": ' * 50_000 + "1" + "}" * 50_000,
    "endless digits": '{"schema": 1, "a": ' + "9" * 10_000 + "}",
    "no UTF-8": b'{"schema": 1, "a": "\xff"}',
    "schema of many digits": '{"schema": ' + "9" * 4000 + "}",
    "schema with an escape sequence": '{"schema": "\\u001b[2J"}',
    "too large": b"[" + b"0," * 17_000_000 + b"0]",
}


@pytest.fixture(params=list(HOSTILE))
def hostile(request, tmp_path):
    path = tmp_path / "a.json"
    text = HOSTILE[request.param]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_hostile_file_is_refused_in_one_line(hostile):
    with pytest.raises(ResultsError) as refusal:
        results.read(hostile)
    message = str(refusal.value)
    assert "a.json" in message
    assert message.isprintable()
    assert len(message) < 500


def test_a_hostile_file_does_not_stop_the_write_that_takes_its_place(hostile):
    before = hostile.read_bytes()
    with pytest.warns(UserWarning, match="it is kept as"):
        results.write(hostile, {"a": 1})
    assert results.read(hostile)["a"] == 1
    (aside,) = hostile.parent.glob("a.json.kept-*")
    assert aside.read_bytes() == before


def test_what_the_hash_confirms_is_refused_all_the_same(tmp_path):
    path = tmp_path / "a.json"
    content = {"schema": 1, "a": "\ud800"}
    path.write_text(json.dumps({**content, "sha256": digest(content)}))
    with pytest.raises(ResultsError, match=r"a\.json is not valid JSON"):
        results.read(path)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").mkdir()
    for name, message in {"a.json": r"a\.json is not a file", "b.json": r"b\.json is a folder; name a"}.items():
        with pytest.raises(ResultsError, match=message):
            results.read(tmp_path / name)


def test_a_name_that_is_no_utf_8_is_written_escaped(tmp_path):
    """Commands name files, and names of files may hold any byte."""
    name = os.fsdecode(b"m\xff.keras")
    results.write(tmp_path / "a.json", {"command": f"robint train --save {name}", "é": "ü"})
    found = results.read(tmp_path / "a.json")
    assert found["command"] == "robint train --save m\\udcff.keras"
    assert found["é"] == "ü"
    path = tmp_path / os.fsdecode(b"\xff\n.json")
    path.write_text("{")
    with pytest.raises(ResultsError) as refusal:
        results.read(path)
    assert str(refusal.value).isprintable()


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
