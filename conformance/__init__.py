"""Everything that stands for the outside world and judges the adapter; imports nothing of it."""
