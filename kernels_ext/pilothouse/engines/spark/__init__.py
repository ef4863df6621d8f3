"""Apache Spark, standalone: a master and workers on a pilot's nodes, and sessions in the user's process."""
