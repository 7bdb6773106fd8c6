import os
import signal

import numpy as np
import pytest
from small_networks import small_vae_gan

from robint_tf.errors import DivergedError
from robint_tf.networks import vae_gan
from robint_tf.networks.vae_gan import PARTS
from robint_tf.runtime.interrupts import Interrupted
from robint_tf.store.checkpoints import Checkpoint
from robint_tf.training import loop
from robint_tf.training.vae_gan import fit_vae_gan, n_batches


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")


def weights(model):
    return [np.asarray(v) for part in PARTS for v in getattr(model, part).variables]


@pytest.mark.parametrize(("n", "batches"), [(55_000, 550), (50_000, 500), (140, 1), (150, 2), (160, 2), (30, 1)])
def test_batches_of_an_epoch_are_the_authors(n, batches):
    assert n_batches(n, 100) == batches


def test_batches_come_in_file_order_and_the_last_may_be_smaller(x, monkeypatch):
    model = small_vae_gan()
    seen = []

    def noted(batch):
        import tensorflow as tf

        tf.py_function(lambda b: seen.append(b.numpy().copy()), [batch], [])
        return tf.zeros(3)

    monkeypatch.setattr(model, "descend", noted)
    fit_vae_gan(model, x[:7], epochs=2, batch_size=4)
    assert [len(b) for b in seen] == [4, 3, 4, 3]
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate([x[:7], x[:7]]))


def test_tensorboard_gets_the_loss_of_every_part(tmp_path, x, monkeypatch):
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install '.[tensorboard]'")
    import tensorflow as tf

    model = small_vae_gan()
    monkeypatch.setattr(model, "descend", lambda batch: tf.constant([1.0, 2.0, 3.0]))
    fit_vae_gan(model, x, epochs=2, batch_size=4, log_dir=tmp_path)
    (events,) = tmp_path.glob("events*")
    written = [(v.tag, e.step) for e in tf.compat.v1.train.summary_iterator(str(events)) for v in e.summary.value]
    assert written == [(f"{part}_loss", epoch) for epoch in (1, 2) for part in PARTS]


def test_a_step_of_the_loop_is_the_step_of_fit(x):
    ours, keras_fit = small_vae_gan(), small_vae_gan()
    history = fit_vae_gan(ours, x, epochs=2, batch_size=4)
    reported = keras_fit.fit(x, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    for part in PARTS:
        np.testing.assert_allclose(history.losses[part], reported[f"{part}_loss"], rtol=1e-5)
    for a, b in zip(weights(ours), weights(keras_fit), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_continues_to_the_same_weights(tmp_path, x, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    whole = small_vae_gan()
    expected = fit_vae_gan(whole, x, epochs=3, batch_size=4)
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")

    def stop_here(position):
        if (position.epoch, position.batch) == (2, 1):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        fit_vae_gan(small_vae_gan(), x, epochs=3, batch_size=4, checkpoint=checkpoint, progress=stop_here)
    seen = []
    resumed = small_vae_gan()
    history = fit_vae_gan(resumed, x, epochs=3, batch_size=4, checkpoint=checkpoint, progress=seen.append)
    assert (seen[0].epoch, seen[0].batch) == (2, 2)
    assert history.losses == expected.losses
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_state_is_kept_now_and_then(tmp_path, x, monkeypatch):
    monkeypatch.setenv("ROBINT_CHECKPOINT_SECONDS", "0")
    checkpoint = Checkpoint(tmp_path / "a.checkpoint")
    fit_vae_gan(small_vae_gan(), x, epochs=1, batch_size=4, checkpoint=checkpoint)
    assert int(checkpoint.load()["position"]) == 2


def test_a_diverging_training_stops_and_says_where(x):
    model = vae_gan.build("mnist")  # of the smallest, a normalisation would bring back whatever its first step throws
    for part in PARTS:
        getattr(model, f"{part}_optimizer").learning_rate = 1e38  # the first step throws the weights out of range
    with pytest.raises(DivergedError, match="epoch 1, batch 2"):
        fit_vae_gan(model, np.tile(x, (1, 7, 7, 1)), epochs=1, batch_size=4)


@pytest.mark.parametrize(("change", "message"), [(np.float32(np.nan), "NaN"), (np.float32(255), "scale them to")])
def test_pixels_that_no_vae_gan_could_learn_are_refused(x, change, message):
    broken = x.copy()
    broken[5, 0, 0] = change
    with pytest.raises(ValueError, match=message):
        fit_vae_gan(small_vae_gan(), broken, epochs=1, batch_size=4)


def test_no_images_is_an_error(x):
    with pytest.raises(ValueError, match="no images"):
        fit_vae_gan(small_vae_gan(), x[:0], epochs=1)
