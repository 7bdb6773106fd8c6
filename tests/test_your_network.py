"""The page for people with a network and data of their own runs as it stands."""

import re
from pathlib import Path

import matplotlib

PAGE = Path(__file__).parents[1] / "docs" / "your-network.md"


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
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
    assert {path.name for path in tmp_path.glob("*.*")} == {"maps.png", "roar.json", "roar.png"}
