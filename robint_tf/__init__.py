"""Adversarial robustness and gradient interpretability: the study of Kim, Seo and Jeon (2019) in TensorFlow 2.

The modules are imported by name (`from robint_tf import attacks`); importing the package alone loads neither
TensorFlow nor Keras, so that command lines and completions answer at once.
"""

__version__ = "0.1.0"
