import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robint_tf.manifold import boundary


@given(st.floats(-88, 88), st.floats(-0.2, 0.2))
def test_the_tilt_of_a_line_is_its_angle_from_the_vertical(degrees, offset):
    normal = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    points = boundary.crossings(boundary.grid(81) @ normal - offset)
    assert np.abs(points @ normal - offset).max() < 1e-6
    assert boundary.tilt(points) == pytest.approx(abs(degrees), abs=0.5)


def test_crossings_lie_on_a_circle():
    points = boundary.crossings(np.linalg.norm(boundary.grid(), axis=1) - 0.7)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.7, atol=1e-4)


def test_a_network_of_one_class_has_no_boundary():
    points = boundary.crossings(np.ones(221**2))
    with pytest.raises(ValueError, match="one class"):
        boundary.tilt(points)


def test_angle_from_horizontal():
    assert boundary.angle_from_horizontal(np.array([-1.0, -1.0])) == pytest.approx(45)
    assert boundary.angle_from_horizontal(np.array([-2.0, 0.0])) == 0
