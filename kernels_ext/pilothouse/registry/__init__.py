"""The registry: what any process can know of pilots and runs without asking, and how it asks."""
