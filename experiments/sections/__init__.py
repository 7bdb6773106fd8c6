"""One module a section of the paper, and the demo."""
