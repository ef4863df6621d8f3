"""The market's messages: what each event says, and how it is read."""
