"""Pilothouse."""
