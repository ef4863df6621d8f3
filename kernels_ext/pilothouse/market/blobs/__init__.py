"""Blobs: files by their hash, served to whom they are meant for."""
