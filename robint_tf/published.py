"""What the authors published, as numbers to set beside ours."""

STATED_ACCURACY = {"toy": 1.0, "mnist": 0.986, "fashion_mnist": 0.906, "cifar10": 0.736}
"""Test accuracy of standard training, appendix A.2."""

TOY_TILT_DEGREES = {"standard": 40.0, "weak": 15.0, "strong": 4.0}
"""Angle between boundary and vertical axis, read off the published Figure 3b to about one degree; one network each."""
