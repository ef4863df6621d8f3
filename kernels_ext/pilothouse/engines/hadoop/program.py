"""The command line of a program of Hadoop's."""

from __future__ import annotations

from pathlib import Path

from pilothouse.engines.jvm.archives import Archive, archive
from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.jars import jars
from pilothouse.engines.jvm.java import Java, java
from pilothouse.state import make_private

#: Hadoop 3.5's classes are built for it.
LEAST_JAVA = 17
#: What Hadoop reaches into by reflection.
_OPENED = ("java.lang", "java.util", "java.net", "java.nio")
#: Pages that are in Hadoop's archive and not in its jars: daemons start when the folders are there, and have no pages.
_PAGES = ("hdfs", "datanode")


class Programs:
    """Hadoop's programs on this host.

    Parameters
    ----------
    scratch
        A folder for what they need on the way: temporary files, empty folders of pages.

    Raises
    ------
    PilothouseError
        There is no Java, or there are no jars.
    """

    def __init__(self, scratch: Path) -> None:
        self.java: Java = java(LEAST_JAVA)
        self.jars = jars("hadoop")
        self.archive: Archive = archive("hadoop", self.jars, self.java)
        self._temporary = make_private(scratch / "tmp")
        self._pages = scratch / "pages"
        for name in _PAGES:
            make_private(self._pages / "webapps" / name / "WEB-INF")

    def command(
        self,
        main: str,
        *arguments: str,
        configuration: Path,
        heap: int,
    ) -> list[str]:
        """What starts the class `main` (below ``org.apache.hadoop``).

        Parameters
        ----------
        configuration
            The folder of its configuration files.
        heap
            Bytes.
        """
        # The archive is of the jars: what is not one of them comes after them. Hadoop's own defaults have other names.
        return command(
            self.java,
            [*self.jars, configuration, self._pages],
            f"org.apache.hadoop.{main}",
            *arguments,
            heap=heap,
            archive=self.archive,
            options=[
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
            ],
            properties={
                "java.io.tmpdir": str(self._temporary),
                "java.net.preferIPv4Stack": "true",
                "log4j.configuration": (configuration / "log4j.properties").as_uri(),
            },
        )

    @property
    def environment(self) -> dict[str, str]:
        """Variables that they need on top of the node's."""
        return {"JAVA_HOME": str(self.java.command.resolve().parent.parent)}
