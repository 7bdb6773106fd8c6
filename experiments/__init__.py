"""One click command per section of the paper, and those around them. TensorFlow is loaded only when one runs."""
