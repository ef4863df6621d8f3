"""A pilot as what other libraries submit calls to: ``concurrent.futures``, Parsl."""
