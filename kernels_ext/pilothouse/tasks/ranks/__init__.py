"""Python functions on MPI ranks over a pilot's nodes: a task whose executable is :mod:`.rank`."""
