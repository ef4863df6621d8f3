"""Ray as a service on a pilot."""
