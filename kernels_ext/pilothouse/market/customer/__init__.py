"""The customer: hires providers, trains with them, pays for what helps."""
