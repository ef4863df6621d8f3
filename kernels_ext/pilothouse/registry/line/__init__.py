"""The line between a supervisor and whoever asks it: a Unix socket on its host, TLS with a token elsewhere."""
