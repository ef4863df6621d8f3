"""`psa`: path similarity on all nodes of a pilot."""
