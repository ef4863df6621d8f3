"""The bridge to RADICAL-Pilot: tasks run through it where the user asks for that."""
