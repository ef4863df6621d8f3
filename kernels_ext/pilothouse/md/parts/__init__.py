"""An analysis in parts: how it is driven, what is done, how results are gathered."""
