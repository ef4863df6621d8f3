"""Which of all that a program on a JVM logged says why it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.engines.jvm.thrown import why

AT = "\tat org.apache.hadoop.Some.method(Some.java:7)\n"
NAMENODE = (
    "2026-11-30 08:56:24,855 ERROR namenode.FSImage: Failed to load image from FSImageFile(file=/keep/fsimage_0)\n"
    f"java.io.IOException: Premature EOF from inputStream\n{AT * 60}"
    "2026-11-30 08:56:24,891 ERROR namenode.NameNode: Failed to start namenode.\n"
    f"java.io.IOException: Failed to load FSImage file, see error(s) above for more info.\n{AT * 60}"
    "2026-11-30 08:56:24,892 INFO util.ExitUtil: Exiting with status 1: java.io.IOException: Failed to load\n"
    "2026-11-30 08:56:24,897 INFO namenode.NameNode: SHUTDOWN_MSG: \n"
    "/************************************************************\n"
    "SHUTDOWN_MSG: Shutting down NameNode at n1/10.0.0.1\n"
    "************************************************************/\n"
)
KAFKA = (
    "2026-11-30 08:56:24,855 ERROR Exiting Kafka due to fatal exception (Kafka$)\n"
    "java.lang.RuntimeException: No readable meta.properties files found.\n"
    f"{AT}Caused by: java.nio.file.NoSuchFileException: /keep/1/data\n{AT}\t... 3 more\n"
)
BOUND = (
    'Exception in thread "main" java.net.BindException: Problem binding to [n1:9000] java.net.BindException: Address '
    f"already in use\n{AT}Caused by: java.net.BindException: Address already in use\n{AT}"
)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (NAMENODE, "java.io.IOException: Failed to load FSImage file, see error(s) above for more info."),
        (
            KAFKA,
            "java.lang.RuntimeException: No readable meta.properties files found.; caused by: "
            "java.nio.file.NoSuchFileException: /keep/1/data",
        ),
        (
            BOUND,
            "java.net.BindException: Problem binding to [n1:9000] java.net.BindException: Address already in use",
        ),
        (
            KAFKA + "2026-11-30 08:56:25,000 WARN shutdown.Hook: it goes on\n"
            f"java.lang.InterruptedException: sleep interrupted\n{AT}",
            "java.lang.RuntimeException: No readable meta.properties files found.; caused by: "
            "java.nio.file.NoSuchFileException: /keep/1/data",
        ),
        ("2026-11-30 08:56:25,000 WARN x.Y: odd\njava.lang.IllegalStateException\n", "java.lang.IllegalStateException"),
        (
            "2026-11-30 08:56:25,000 ERROR x.Y: there is no disk\n2026-11-30 08:56:25,001 INFO x.Y: bye\n",
            "there is no disk",
        ),
        (
            "Error occurred during initialization of VM\nToo small maximum heap\n",
            "Error occurred during initialization of VM Too small maximum heap",
        ),
        (
            "Terminating due to java.lang.OutOfMemoryError: Java heap space\n",
            "java.lang.OutOfMemoryError: Java heap space",
        ),
        ("Error: Could not find or load main class x.Y\n", "Error: Could not find or load main class x.Y"),
        ("nothing but chatter\n***/\n", "nothing but chatter"),
        ("", ""),
    ],
)
def test_one_line_says_why(log: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    path.write_text(log)
    assert why(path) == said


def test_what_one_before_it_threw_is_not_why_this_one_ended(tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    path.write_text(KAFKA)
    begun = path.stat().st_size
    with path.open("a") as log:
        log.write("2026-11-30 08:57:00,000 INFO x.Y: begins\n")
    assert why(path, begun) == "2026-11-30 08:57:00,000 INFO x.Y: begins"


def test_of_a_long_message_the_beginning_is_told(tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    path.write_text(f"java.io.IOException: {'x' * 9000}\n")
    assert why(path) == f"java.io.IOException: {'x' * 379} …"
