"""`analyse`: any AnalysisBase class on all nodes of a pilot."""
