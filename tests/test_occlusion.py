import itertools
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import goldens
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robint_tf.interpretability import occlusion

GOLDEN, META = goldens.load("occlusion"), goldens.meta("occlusion")
PERCENTILES = GOLDEN["percentiles"].tolist()
KINDS = ("remove", "keep")

fractions_of_one = st.integers(0, 100).map(lambda percent: percent / 100)
kinds = st.sampled_from(KINDS)


def shuffled(rng, n, height, width):
    """Maps of distinct scores."""
    return rng.permuted(np.tile(np.arange(height * width, dtype="float32"), (n, 1)), axis=1).reshape(n, height, width)


def mask_of_the_definition(scores, fraction, kind):
    """Strict comparison with the interpolated quantile, in exact arithmetic."""
    masks = []
    for score in scores:
        values = [Fraction(float(v)) for v in score.ravel()]
        ordered, share = sorted(values), Fraction(str(fraction))
        position = (len(values) - 1) * (1 - share)
        low, high = ordered[math.floor(position)], ordered[math.ceil(position)]
        threshold = low + (position - math.floor(position)) * (high - low)
        masks.append([v > threshold if kind == "remove" else v < threshold for v in values])
    return np.array(masks).reshape(scores.shape)


@pytest.mark.parametrize("percent", PERCENTILES)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_equal_the_authors(kind, percent):
    for scores, mask in (("attr", "mask"), ("attr_ties", "mask_ties")):
        found = occlusion.occlusion_mask(GOLDEN[scores], percent / 100, kind)
        np.testing.assert_array_equal(found, GOLDEN[f"{kind}_p{percent}/{mask}"])


@pytest.mark.parametrize("percent", PERCENTILES)
@pytest.mark.parametrize("kind", KINDS)
def test_counts_equal_the_authors(kind, percent):
    assert [occlusion.n_replaced(32 * 32, percent / 100, kind)] * 4 == META["replaced_pixels_of_1024"][
        f"{kind}_p{percent}"
    ]


def test_counts_of_a_cifar_image():
    assert [occlusion.n_replaced(1024, f) for f in (0.1, 0.3, 0.5, 0.7, 0.9)] == [103, 307, 512, 717, 921]


@pytest.mark.parametrize("kind", KINDS)
def test_occluded_images_equal_the_authors(kind):
    images, scores, case = GOLDEN["images_u8"], GOLDEN["attr"], f"{kind}_p30"
    as_float = occlusion.occlude(images.astype("float32"), scores, 0.3, GOLDEN["fill"], kind)
    np.testing.assert_array_equal(as_float, GOLDEN[f"{case}/images_f32"])
    truncated = occlusion.occlude(images, scores, 0.3, GOLDEN["fill"].astype("uint8"), kind)
    np.testing.assert_array_equal(truncated, GOLDEN[f"{case}/images_u8"])


@pytest.mark.parametrize("kind", KINDS)
def test_occluding_scaled_images_equals_the_authors_scaling_of_occluded_ones(kind):
    images, scores, case = GOLDEN["images_u8"], GOLDEN["attr"], f"{kind}_p30"
    fill = occlusion.fill_values(GOLDEN["fill"])
    train = images.astype("float32") / np.float32(127.5) - np.float32(1)
    np.testing.assert_array_equal(
        occlusion.occlude(train, scores, 0.3, fill.train, kind), GOLDEN[f"{case}/scaled_from_f32"]
    )
    test = (images / 127.5 - 1).astype("float32")  # the authors' test images pass through float64
    np.testing.assert_array_equal(
        occlusion.occlude(test, scores, 0.3, fill.test, kind), GOLDEN[f"{case}/scaled_from_u8"]
    )
    np.testing.assert_allclose(  # ours through float32, like the training images
        occlusion.occlude(train, scores, 0.3, fill.test, kind), GOLDEN[f"{case}/scaled_from_u8"], atol=1.2e-7
    )


@pytest.mark.parametrize("percent", PERCENTILES)
@pytest.mark.parametrize("kind", KINDS)
def test_random_masks_equal_the_authors(kind, percent):
    seed, case = META["random_numpy_seed"], f"random_{kind}_p{percent}"
    found = occlusion.random_mask((200, 32, 32), percent / 100, kind, seed=seed)
    np.testing.assert_array_equal(found[:2], GOLDEN[f"{case}/mask"])
    assert found.mean() == META["random"][case]["measured_replaced"]


def test_random_masks_do_not_depend_on_chunks(monkeypatch):
    def masks():
        return [
            occlusion.random_mask((7, 4, 5), 0.3, kind, seed=3, variant=variant)
            for kind in KINDS
            for variant in ("authors", "corrected")
        ]

    whole = masks()
    monkeypatch.setattr(occlusion, "CHUNK", 3)
    for first, again in zip(whole, masks(), strict=True):
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("kind", KINDS)
def test_random_attribution_values_replace_the_same_count_in_every_image(kind):
    shape = (50, 32, 32)
    exact = occlusion.random_mask(shape, 0.3, kind, seed=0, variant="paper").sum(axis=(1, 2))
    assert set(exact.tolist()) == {occlusion.n_replaced(1024, 0.3, kind)}
    independent = occlusion.random_mask(shape, 0.3, kind, seed=0).sum(axis=(1, 2))
    assert len(set(independent.tolist())) > 1


@given(st.integers(2, 8), st.integers(1, 8), fractions_of_one, kinds, st.integers(0, 99))
@example(3, 7, 0.9, "remove", 0)  # the quantile falls on a score, and 20 * (1 - 0.9) below 2
def test_masks_follow_the_definition_with_and_without_ties(height, width, fraction, kind, seed):
    rng = np.random.default_rng(seed)
    for scores in (rng.normal(size=(3, height, width)), rng.integers(0, 4, (3, height, width)).astype("float32")):
        found = occlusion.occlusion_mask(scores, fraction, kind)
        np.testing.assert_array_equal(found, mask_of_the_definition(scores, fraction, kind))


@given(st.integers(1, 9), st.integers(1, 9), fractions_of_one, kinds, st.integers(0, 99))
def test_distinct_scores_replace_a_known_count(height, width, fraction, kind, seed):
    scores = shuffled(np.random.default_rng(seed), 4, height, width)
    counts = occlusion.occlusion_mask(scores, fraction, kind).sum(axis=(1, 2))
    n = height * width
    assert counts.tolist() == [occlusion.n_replaced(n, fraction, kind)] * 4
    assert abs(counts[0] - n * (fraction if kind == "remove" else 1 - fraction)) <= 1


@given(st.integers(2, 9), st.integers(1, 9), fractions_of_one, st.booleans(), st.integers(0, 99))
def test_a_pixel_is_never_both_removed_and_hidden_by_keep(height, width, fraction, ties, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (4, height, width)) if ties else shuffled(rng, 4, height, width)
    removed, hidden = (occlusion.occlusion_mask(scores, fraction, kind) for kind in KINDS)
    assert not (removed & hidden).any()
    if not ties:  # only a score that the quantile falls on escapes both
        assert (~(removed | hidden)).sum(axis=(1, 2)).max() <= 1


@given(st.permutations(range(6)), fractions_of_one, kinds)
def test_images_are_occluded_independently(order, fraction, kind):
    rng = np.random.default_rng(0)
    x, scores = rng.uniform(-1, 1, (6, 4, 5, 3)).astype("float32"), rng.random((6, 4, 5))
    fill = np.array([0.1, 0.2, 0.3], "float32")
    whole = occlusion.occlude(x, scores, fraction, fill, kind)
    np.testing.assert_array_equal(occlusion.occlude(x[order], scores[order], fraction, fill, kind), whole[order])


@given(fractions_of_one, kinds, st.sampled_from(["authors", "paper", "corrected"]))
def test_occluding_by_ranks_equals_occluding_by_scores(fraction, kind, variant):
    rng = np.random.default_rng(0)
    scores = np.abs(rng.standard_cauchy((5, 7, 6))).astype("float32")
    scores[0, :3] = scores[0, 3]  # ties
    ranked = occlusion.ranks(scores, seed=4, variant=variant)
    untied = occlusion.break_ties(scores, seed=4)
    if variant != "authors":
        assert (np.diff(np.unique(scores[1:])) > 2e-8).all()  # then the authors' noise breaks ties only
    np.testing.assert_array_equal(
        occlusion.occlusion_mask(ranked, fraction, kind), occlusion.occlusion_mask(untied, fraction, kind)
    )


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["authors", "corrected"]), st.integers(0, 99))
def test_ranks_are_permutations_in_the_order_of_the_scores(height, width, variant, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (4, height, width)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranked = occlusion.ranks(scores, seed=seed, variant=variant)
    assert (ranked.dtype, ranked.shape) == (np.uint16, scores.shape)
    for score, rank in zip(scores.reshape(4, -1), ranked.reshape(4, -1), strict=True):
        assert sorted(rank.tolist()) == list(range(height * width))
        assert (np.diff(score[np.argsort(rank)]) >= 0).all()


def test_ranks_do_not_depend_on_chunks(monkeypatch):
    scores = np.random.default_rng(0).integers(0, 9, (7, 5, 5)).astype("float32")
    whole = occlusion.ranks(scores, seed=1)
    monkeypatch.setattr(occlusion, "CHUNK", 2)
    np.testing.assert_array_equal(occlusion.ranks(scores, seed=1), whole)
    assert (occlusion.ranks(scores, seed=2) != whole).any()


def test_the_authors_noise_scrambles_tiny_scores_and_the_corrected_order_does_not():
    scores = shuffled(np.random.default_rng(0), 1, 8, 8)
    tiny = scores * 1e-13
    for variant in ("paper", "corrected"):
        np.testing.assert_array_equal(occlusion.ranks(tiny, seed=0, variant=variant), scores)
    assert np.mean(occlusion.ranks(tiny, seed=0) == scores) < 0.2
    np.testing.assert_array_equal(occlusion.ranks(1e-3 * scores, seed=0), scores)


def test_noise_is_not_rounded_away():
    scores = np.full((1, 32, 32), 100, "float32")
    scores[0, 0, 0] = 200
    noise = occlusion.break_ties(scores, seed=0) - scores
    assert noise.dtype == np.float64
    assert 0 <= noise.min() < noise.max() < 1.001e-8  # up to the rounding of the sum
    assert len(np.unique(noise)) > 1000


@pytest.mark.parametrize("function", [occlusion.ranks, occlusion.break_ties])
def test_constant_maps_are_reported_once_and_occluded_at_random(function):
    scores = np.random.default_rng(0).random((4, 6, 6)).astype("float32")
    scores[[1, 3]] = 0
    with pytest.warns(UserWarning, match=r"2 of 4 attribution maps are constant") as caught:
        found = function(scores, seed=0)
    assert [w.filename for w in caught] == [__file__]
    assert occlusion.occlusion_mask(found, 0.5).sum(axis=(1, 2)).tolist() == [18] * 4
    assert (found[1] != found[3]).any()


def test_every_rank_of_the_largest_image_fits():
    scores = np.arange(256 * 256, dtype="float64").reshape(1, 256, 256)
    np.testing.assert_array_equal(occlusion.ranks(scores, seed=0), scores)
    with pytest.raises(ValueError, match="65792 pixels"):
        occlusion.ranks(np.zeros((1, 256, 257)), seed=0)


def test_occlusion_leaves_its_inputs_alone_and_runs_in_threads(monkeypatch):
    monkeypatch.setattr(occlusion, "CHUNK", 8)
    rng = np.random.default_rng(0)
    x, scores = rng.uniform(-1, 1, (60, 8, 8, 3)).astype("float32"), rng.random((60, 8, 8))
    fill = np.zeros(3)
    for array in (x, scores, fill):
        array.setflags(write=False)
    fractions = [0.1, 0.3, 0.5, 0.7, 0.9] * 4
    expected = [occlusion.occlude(x, scores, f, fill) for f in fractions]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda f: occlusion.occlude(x, scores, f, fill), fractions))
    np.testing.assert_array_equal(found, expected)
    mask = occlusion.occlusion_mask(scores, 0.1)
    np.testing.assert_array_equal(occlusion.replace(x, mask, fill), expected[0])
    np.testing.assert_array_equal(expected[0][mask], 0)
    np.testing.assert_array_equal(expected[0][~mask], x[~mask])


def test_the_channel_mean_is_that_of_the_pixels():
    images = np.random.default_rng(0).integers(0, 256, (40, 9, 8, 3), dtype="uint8")
    x = images.astype("float32") / np.float32(127.5) - np.float32(1)
    np.testing.assert_allclose(occlusion.channel_mean(x), images.mean(axis=(0, 1, 2), dtype="float64"), atol=1e-5)


def test_the_channel_mean_does_not_stall_as_a_float32_sum_does():
    x = np.broadcast_to(np.ones(3, "float32"), (20_000, 32, 32, 3))  # a float32 sum of ones stalls at 2^24
    assert occlusion.channel_mean(x).tolist() == [255.0] * 3
    assert x.mean(axis=(0, 1, 2)).max() < 0.9


@given(st.lists(st.floats(0, 255), min_size=1, max_size=3))
def test_test_images_are_filled_with_truncated_means_by_the_authors_only(mean):
    authors, corrected = (occlusion.fill_values(np.array(mean), variant=v) for v in ("authors", "corrected"))
    np.testing.assert_allclose((authors.test.astype(float) + 1) * 127.5, np.floor(mean), atol=1e-4)
    np.testing.assert_allclose((corrected.test.astype(float) + 1) * 127.5, mean, atol=3e-5)
    np.testing.assert_array_equal(corrected.test, corrected.train)
    np.testing.assert_array_equal(corrected.train, authors.train)
    assert {a.dtype for a in (*authors, *corrected)} == {np.dtype("float32")}


def test_the_fill_of_cifar10():
    fill = occlusion.fill_values(np.array([125.30692, 122.95039, 113.86538]))
    np.testing.assert_allclose((fill.test + 1) * 127.5, [125, 122, 113], atol=1e-4)
    np.testing.assert_allclose((fill.train + 1) * 127.5, GOLDEN["fill"], atol=7e-4)


@given(kinds, st.integers(0, 99))
@settings(max_examples=20)
def test_fractions_nest(kind, seed):
    scores = np.random.default_rng(seed).random((3, 5, 5))
    masks = [occlusion.occlusion_mask(scores, f, kind) for f in (0, 0.1, 0.5, 0.55, 0.9, 1)]
    if kind == "keep":
        masks.reverse()
    for smaller, larger in itertools.pairwise(masks):
        assert not (smaller & ~larger).any()
    assert masks[0].sum() == 0
    assert masks[-1].sum() == 3 * 24  # strict comparison: the least (remove) or most (keep) important pixel stays


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"occlusion": "hide"}, "occlusion is 'hide'; choose one of remove, keep"),
        ({"fraction": 30}, "fraction is 30; give a number from 0 to 1"),
        ({"fraction": math.nan}, "fraction is nan"),
        ({"scores": np.zeros((2, 4, 4, 3))}, "scores"),
        ({"scores": np.full((2, 4, 4), np.nan)}, "scores hold NaN"),
        ({"fill": np.zeros(2)}, r"the fill \(2,\)"),
        ({"images": np.zeros((2, 4, 4, 3), "uint8")}, "images are uint8 and would truncate the fill"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, message):
    good = {
        "images": np.zeros((2, 4, 4, 3), "float32"),
        "scores": np.zeros((2, 4, 4)),
        "fraction": 0.3,
        "fill": np.array([0.5, 0.5, 0.5]),
        "occlusion": "remove",
    }
    with pytest.raises(ValueError, match=message) as error:
        occlusion.occlude(**good | arguments)
    assert "\n" not in str(error.value)


def test_unknown_variants_are_refused():
    for call in (
        lambda: occlusion.random_mask((1, 2, 2), 0.5, seed=0, variant="author"),
        lambda: occlusion.ranks(np.zeros((1, 2, 2)), seed=0, variant="author"),
        lambda: occlusion.fill_values(np.zeros(3), variant="author"),
    ):
        with pytest.raises(ValueError, match="variant is 'author'; choose one of authors, paper, corrected"):
            call()
    with pytest.raises(ValueError, match=r"scores have shape \(2, 4\)"):
        occlusion.occlusion_mask(np.zeros((2, 4)), 0.5)


def test_no_images_are_occluded_to_no_images():
    assert occlusion.occlude(np.zeros((0, 4, 4, 3)), np.zeros((0, 4, 4)), 0.5, np.zeros(3)).shape == (0, 4, 4, 3)
    assert occlusion.ranks(np.zeros((0, 4, 4)), seed=0).shape == (0, 4, 4)
