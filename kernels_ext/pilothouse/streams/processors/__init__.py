"""Processors: what consumers do with each message (MASA in the Streaming Mini-Apps)."""
