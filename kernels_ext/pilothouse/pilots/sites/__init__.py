"""Sites: where pilots can be had, and what may be asked there."""
