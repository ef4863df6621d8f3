"""Something launched on a pilot, from its record to its result."""
