"""PyTorch: hand-written PGD and training on channels-last memory, and torchattacks."""

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from problem import LAYERS, Problem
from torch import nn
from torch.nn import functional

from contenders import BATCH, Job


class Network(nn.Module):
    """The same layers and weights; takes images (N, C, H, W)."""

    def __init__(self, problem: Problem, *, channels_last: bool = True) -> None:
        super().__init__()
        self.kinds = LAYERS[problem.architecture]
        self.parameters_ = nn.ParameterList()
        for w in problem.weights:
            order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[w.ndim]
            tensor = torch.from_numpy(np.ascontiguousarray(w.transpose(order)))
            if w.ndim == 4 and channels_last:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.parameters_.append(nn.Parameter(tensor))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = iter(self.parameters_)
        for kind in self.kinds:
            if kind == "pool":
                x = functional.max_pool2d(x, 2)
            elif kind == "conv":
                x = functional.relu(functional.conv2d(x, next(weights), next(weights), padding="same"))
            else:
                if x.ndim > 2:
                    x = x.permute(0, 2, 3, 1).flatten(1)  # the order of a channels-last Flatten
                x = functional.linear(x, next(weights), next(weights))
                x = functional.relu(x) if kind == "dense" else x
        return x


def _images(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)  # NHWC memory seen as NCHW: channels last


def _length(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def _perturb(network: Callable, x: torch.Tensor, y: torch.Tensor, pgd) -> torch.Tensor:
    x_adv = x
    for _ in range(pgd.n_steps):
        x_adv = x_adv.detach().requires_grad_()
        loss = functional.cross_entropy(network(x_adv).float(), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x_adv)
        with torch.no_grad():
            if pgd.norm == "linf":
                delta = (x_adv + pgd.step_size * gradient.sign() - x).clamp_(-pgd.eps, pgd.eps)
            else:
                delta = x_adv + pgd.step_size * gradient / (_length(gradient) + 1e-8) - x
                length = _length(delta)
                delta *= length.clamp(max=pgd.eps) / (length + 1e-8)
            x_adv = (x + delta).clamp_(-1, 1)
    return x_adv.detach()


def attack(problem: Problem, job: Job, precision: contextlib.AbstractContextManager | None = None) -> Callable:
    network, pgd = Network(problem).eval().requires_grad_(False), problem.attack(job.norm, job.n_steps)

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with precision or contextlib.nullcontext():
            x_adv = _perturb(network, _images(x), torch.from_numpy(y).long(), pgd)
        return x_adv.permute(0, 2, 3, 1).contiguous().numpy()

    return run


def attack_bfloat16(problem: Problem, job: Job) -> Callable:
    return attack(problem, job, torch.autocast("cpu", torch.bfloat16))


def attack_torchattacks(problem: Problem, job: Job) -> Callable:
    import torchattacks

    pgd = problem.attack(job.norm, job.n_steps)
    network = Network(problem, channels_last=False).eval().requires_grad_(False)  # its views need NCHW memory
    unit = nn.Module()  # torchattacks knows the [0, 1] range only: eps and steps are half as large there
    unit.forward = lambda x: network(2 * x - 1)
    kind = torchattacks.PGDL2 if pgd.norm == "l2" else torchattacks.PGD
    attacker = kind(unit, eps=pgd.eps / 2, alpha=pgd.step_size / 2, steps=pgd.n_steps, random_start=False)

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x_adv = attacker(((_images(x) + 1) / 2).contiguous(), torch.from_numpy(y).long())
        return (2 * x_adv - 1).permute(0, 2, 3, 1).contiguous().numpy()

    return run


def training(problem: Problem, job: Job) -> Callable:
    network = Network(problem)
    optimizer = torch.optim.Adam(network.parameters())
    pgd = problem.attack(job.norm, job.n_steps) if job.n_steps else None

    def run(x: np.ndarray, y: np.ndarray) -> None:
        for lo in range(0, len(x), BATCH):
            images, labels = _images(x[lo : lo + BATCH]), torch.from_numpy(y[lo : lo + BATCH]).long()
            if pgd is not None:
                network.requires_grad_(False)
                images = _perturb(network, images, labels, pgd)
                network.requires_grad_(True)
            optimizer.zero_grad()
            functional.cross_entropy(network(images), labels).backward()
            optimizer.step()

    return run
