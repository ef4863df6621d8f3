"""Brokers: what carries messages from producers to consumers."""
