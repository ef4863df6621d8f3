"""Runs: something launched, from its record to its result."""
