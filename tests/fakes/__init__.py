"""Batch systems that can't be had here, as programs that do what their manuals say: their commands, and real jobs."""
