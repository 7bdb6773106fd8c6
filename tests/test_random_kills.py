"""At least 21 SIGKILLs at random moments, over trainings, a VAE-GAN and the grid: `pytest -m slow`, twenty minutes."""

import random

import pytest
import soak

KILLS = 7


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(soak.COMMANDS))
def test_kills_at_random_moments_lose_nothing_and_change_no_byte(tmp_path, name):
    place = soak.Place(tmp_path)
    expected = soak.undisturbed(place, soak.COMMANDS[name])
    dice, tally = random.Random(name), soak.Tally()
    while tally.faults["SIGKILL"] < KILLS:
        soak.torment(place, soak.COMMANDS[name], expected, dice, ["SIGKILL"], tally)
    assert (tally.lost, tally.different, tally.wrong) == (0, 0, [])
    assert tally.finished
