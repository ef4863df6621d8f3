"""What runs in a job: the Dask worker, its node processes, Dask's pages."""
