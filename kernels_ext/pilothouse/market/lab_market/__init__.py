"""The lab market: a relay and a blob server of the user's own, on a node of a pilot."""
