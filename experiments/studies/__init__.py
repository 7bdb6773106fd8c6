"""The studies: their presets, what they make, and what they write."""
