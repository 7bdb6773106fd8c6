"""The page for people with a network and data of their own runs as it stands."""

import re
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np

from robint_tf.networks.files import models, vae_gans

PAGE = Path(__file__).parents[1] / "docs" / "your-network.md"


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    code, with_vae_gan = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    clean, attacked = (float(re.search(rf"{word}: ([\d.]+)%", said)[1]) for word in ("clean", "attacked"))
    assert clean > 60, "the network learnt nothing, so nothing else is shown"
    assert attacked <= clean
    assert names["maps"].values.shape == names["mine"].values.shape == (60, 64, 64)
    assert {row["attribution"] for row in names["found"].table()} == {"gradient", "mine", "random"}
    assert names["distances"].problems == ()
    assert (names["distances"].attacked > names["distances"].clean).mean() > 0.9, "attacks should leave the data"
    assert {path.name for path in tmp_path.glob("*.*")} == {"maps.png", "roar.json", "roar.png", "mine.keras"}
    assert models.load("mine.keras", bounds=(0, 255), n_classes=5)

    stand_in = SimpleNamespace(model=names["project"])  # a VAE-GAN takes hours
    monkeypatch.setattr(vae_gans, "load", {"vae.keras": stand_in}.__getitem__)
    after = {name: names[name] for name in ("network", "test", "attack")}
    exec(compile(with_vae_gan, PAGE.name, "exec"), after)
    np.testing.assert_array_equal(after["distances"].attacked, names["distances"].attacked)
