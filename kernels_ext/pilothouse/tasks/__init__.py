"""Tasks: executables on the nodes of a pilot, packed by cores, beside Python functions.

A call of :meth:`Pilot.execute` or :meth:`Pilot.map_execute` is one run of the kind ``tasks``. Its driver
(:mod:`.driver`, in the supervisor) gets cores from an allocator that all such runs of a pilot share
(:mod:`.cores`), and gives batches of commands to a launcher process on each node (:mod:`.launcher`).
"""
