"""The benchmark's VAE-GAN steps: TensorFlow 1's graph is the authors', and what the profile reads and counts."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import goldens
import numpy as np
import pytest

from robint_tf.networks.layers import Block, DeconvBlock, DenseBlock
from robint_tf.networks.vae_gan_networks import networks_for, settings_for

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MODULES = ("suite", "step_profile", "contenders", "document", "problem")
PARTS = {"Encoder": "encoder", "Decoder": "decoder", "Disc": "discriminator"}
TOLERANCES = {"mnist": [1e-5, 2e-4, 1e-2], "cifar": [1e-5, 2e-4, *[3e-2] * 5]}  # of the golden vectors' README


@pytest.fixture
def module(monkeypatch):
    """Imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


def start(short, folder):
    """Files that hold the first golden batch, and the weights and the noise that it met."""
    file = f"vaegan_{short}"
    golden, size = goldens.load(file), goldens.meta(file)["batch_size"]
    np.savez(folder / "problem.npz", x=golden["x"][:size], y=np.zeros(size, np.int32))
    weights = goldens.weights(f"{short.upper()}_VAE_GAN", goldens.meta(file)["seed"])
    named = {f"{PARTS[name.partition('/')[0]]}/{name.partition('/')[2]}": value for name, value in weights.items()}
    np.savez(folder / "start.npz", noise=np.stack([golden["ep"], golden["z_p"]]), **named)


@pytest.mark.parametrize("short", ["cifar", pytest.param("mnist", marks=pytest.mark.slow)])
def test_a_step_of_the_graph_in_tensorflow_1_is_the_authors(short, tmp_path, module):
    task, _ = module("contenders").TASKS["VAE-GAN step, " + {"mnist": "MNIST", "cifar": "CIFAR-10"}[short]]
    start(short, tmp_path)
    job = {"do": "losses", "contender": "tf1_vae_gan:losses", "cores": sorted(os.sched_getaffinity(0))}
    job |= {"task": asdict(task), "problem": str(tmp_path / "problem.npz"), "start": str(tmp_path / "start.npz")}
    command = [sys.executable, BENCHMARKS / "child.py", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses = np.array(json.loads(done.stdout.splitlines()[-1])["losses"])
    golden = goldens.load(f"vaegan_{short}")["step1/losses"]
    assert losses.shape == golden.shape
    assert np.all(np.abs(losses - golden) <= np.array(TOLERANCES[short]) * np.abs(golden)), (losses, golden)


@pytest.mark.parametrize(("architecture", "dataset"), [("mnist_cnn", "mnist"), ("cifar_cnn", "cifar10")])
def test_the_operations_of_a_step_are_those_of_its_passes(architecture, dataset, module):
    settings = settings_for(dataset)
    flops = {part: operations(network) for part, network in networks_for(dataset, settings).items()}
    encoder, decoder, judge = (sum(flops[part]) for part in PARTS.values())
    first = {part: layers[0] for part, layers in flops.items()}  # has no gradient to its input
    runs = 3 * encoder - first["encoder"] + 2 * decoder + encoder
    runs += 6 * decoder - 2 * first["decoder"] + 4 * judge
    runs += settings.n_dis * (2 * decoder + 9 * judge - 3 * first["discriminator"])
    assert module("suite").MFLOP_VAE_GAN_STEP[architecture] == pytest.approx(runs / 1e6, abs=0.05)


def operations(chain):
    """Of each linear map on one image: a multiplication and an addition for each weight that it takes."""
    found, shape = [], (None, *chain.example_shape)
    for block in chain.blocks:
        after = block.compute_output_shape(shape)
        if isinstance(block, Block):
            places = 1 if isinstance(block, DenseBlock) else shape if isinstance(block, DeconvBlock) else after
            found.append(2 * int(np.prod(block.kernel.shape)) * int(np.prod(places[1:3] if places != 1 else 1)))
        shape = after
    return found


def test_losses_of_a_first_step_are_compared_run_by_run(module):
    ours, same = {"losses": [1000.0, 10.0, 2.0]}, {"losses": [1000.001, 10.0001, 2.01]}
    compare = module("suite")._same_step
    assert "b: the same, off by encoder 1e-06, decoder 1e-05, discriminator 5e-03." in compare(
        {"robint_tf": ours, "b": same}
    )
    for run, factor in ((0, 1.0001), (1, 1.001), (2, 1.1)):
        other = [loss * factor if i == run else loss for i, loss in enumerate(ours["losses"])]
        assert "b: not the same, off" in compare({"robint_tf": ours, "b": {"losses": other}})
    assert "b failed: no memory." in compare({"robint_tf": ours, "b": {"error": "no memory"}})
    assert "not compared: no memory." in compare({"robint_tf": {"error": "no memory"}, "b": same})


CONV = "convolution,jit,{},src_f32,attr,alg:convolution_direct,mb{}_ic3oc64_ih32oh16kh4sh2dh0ph1_iw32ow16kw4sw2dw0pw1,2"
VERBOSE = [
    *(CONV.format(*what) for what in (("forward_training", 100), ("backward_data", 100), ("backward_weights", 100))),
    CONV.format("backward_weights", 1),
    "matmul,brg,undef,src_f32,,,100x4096:4096x20,0.5",
    "reorder,jit:uni,undef,src_f32,,,3x64,1",
    "eltwise,jit,forward,src_f32,,alg:eltwise_relu,100x512,0.5",
]


def test_a_profile_adds_up_what_onednn_says(module):
    profile = module("step_profile")
    said = [f"onednn_verbose,v1,primitive,exec,cpu,{line}" for line in VERBOSE]
    found = profile.summed(["onednn_verbose,v1,info,cpu,runtime:threadpool", *said, *said], seconds=[0.02, 0.02])
    conv, product = 2 * 100 * 3 * 64 * 16 * 16 * 4 * 4, 2 * 100 * 4096 * 20
    counted = {profile.FORWARD: conv, profile.DATA: conv, profile.WEIGHTS: conv, "one image": conv / 100}
    assert found.flops == pytest.approx(counted | {"matmul": product, "reorder": 0, "other": 0})
    seconds = dict.fromkeys(counted, 0.002) | {"matmul": 0.0005, "reorder": 0.001, "other": 0.0005}
    assert found.by_kind == pytest.approx(seconds | {"rest": 0.02 - sum(seconds.values())})
    rows = profile.table("a step", {"a contender": found}, peak=2 * conv / 0.002)
    assert f"| {profile.KINDS[profile.FORWARD]} | 10.0% | 50% |" in rows
    assert f"| {profile.KINDS['rest']} | 50.0% |  |" in rows
    assert rows[-1].startswith("| a step | 0.02 s |")
    bound = profile.bound({"robint_tf": found, "an old graph": profile.Profile(0.012, {}, {})})
    assert bound == "Were all but our convolutions free, we should be 1.5 times as fast as an old graph."  # 12 ms of 8
