"""The roles of an HDFS's members."""

from __future__ import annotations

#: The first has a DataNode too.
NAMENODE, DATANODE = "namenode", "datanode"
