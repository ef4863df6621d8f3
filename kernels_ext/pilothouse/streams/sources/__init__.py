"""Sources: what producers send (MASS in the Streaming Mini-Apps)."""
