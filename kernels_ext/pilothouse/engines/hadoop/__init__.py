"""Apache Hadoop from its jars alone: HDFS and YARN as engines."""
