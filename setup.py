"""Installs the library `robint_tf` and the commands in `experiments/`.

The folder `experiments/` is installed under the name `robint_experiments`: a top-level package called
`experiments` would collide with the folder of that name in many a research project.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "robint_tf" / "__init__.py").read_text())[1]

EXPERIMENTS = ["robint_experiments", *(f"robint_experiments.{p}" for p in find_packages(str(HERE / "experiments")))]

TEST = [
    "pytest>=8",
    "pytest-xdist>=3.8",
    "hypothesis>=6.100",
    "foolbox>=3.3.4",
    "tensorboard",
    "dask[distributed]>=2024.5",
    "cryptography",
    "nbclient",
    "nbformat",
    "ipykernel",
]
DOCS = ["pdoc>=15"]
ORACLES = ["torch>=2.3", "captum>=0.9", "zennit>=0.5.1"]  # what tests/golden/attribution_oracles.npz is made with

setup(
    name="robint-tf",
    version=VERSION,
    description="Bridging Adversarial Robustness and Gradient Interpretability, reproduced in TensorFlow 2 and Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[*find_packages(include=["robint_tf*"]), *EXPERIMENTS],
    package_dir={"robint_experiments": "experiments"},
    package_data={
        "robint_tf": ["py.typed"],
        "robint_tf.data.samples": ["*.npz", "*.md"],
        "robint_tf.paper": ["authors_results.json", "authors_code_runs.json"],
    },
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.6",
        "h5py>=3.11",
        "tensorflow-datasets>=4.9.7",
        "importlib_resources",  # tensorflow-datasets 4.9.10 imports it without declaring it
        "numpy>=1.26",
        "scipy>=1.11",
        "matplotlib>=3.8",
        "click>=8.1",
        "requests",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.18"],
        "dask": ["dask[distributed]>=2024.5", "bokeh", "cryptography"],
        "tensorboard": ["tensorboard"],
        "test": TEST,
        "docs": DOCS,
        "oracles": ORACLES,
        "dev": [*TEST, *DOCS, "ruff", "mypy", "build", "pre-commit"],
    },
    entry_points={"console_scripts": ["robint = robint_experiments.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Intended Audience :: Science/Research",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
