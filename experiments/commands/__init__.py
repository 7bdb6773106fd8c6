"""One module a command that is not a section of the paper."""
