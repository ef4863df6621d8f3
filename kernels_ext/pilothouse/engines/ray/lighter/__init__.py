"""A folder for the module path of Ray's processes: modules that stand before packages which are slow to import."""
