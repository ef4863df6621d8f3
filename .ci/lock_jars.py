"""Makes the locks of the engines' jars: ``python .ci/lock_jars.py [NAME...]``, with a network and ``pilothouse[jvm]``.

To renew one: change its version below, run this, look at what has changed in the lock, run the engine's tests.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from pilothouse.engines.jvm.lock import FOLDER
from pilothouse.engines.jvm.verified import sha256

#: Software -> its version, and its roots. An ``!`` at the end of a root: all that it needs is needed; without one, the
#: root alone.
SOFTWARE = {
    # The bridge from SLF4J to Log4j 2 is what a broker's log needs and does not ask for.
    "kafka": ("4.4.0", ["org.apache.kafka:kafka_2.13:4.4.0!", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!"]),
    # The shaded jar of the mini cluster has all daemons in it; what it declares as provided has to be there too.
    "hadoop": (
        "3.5.0",
        [
            "org.apache.hadoop:hadoop-client-minicluster:3.5.0",
            "org.apache.hadoop:hadoop-client-api:3.5.0",
            "org.apache.hadoop:hadoop-client-runtime:3.5.0",
            "commons-logging:commons-logging:1.2",
            "org.bouncycastle:bcprov-jdk18on:1.82",
            "org.bouncycastle:bcpkix-jdk18on:1.82",
            "org.bouncycastle:bcutil-jdk18on:1.82",
            "org.slf4j:slf4j-api:1.7.36",
            "org.slf4j:slf4j-reload4j:1.7.36",
            "ch.qos.reload4j:reload4j:1.2.22",
        ],
    ),
    # What pyspark's own jars lack; of its version.
    "spark-kafka": (
        "4.2.0",
        [
            "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0",
            "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.2.0",
            "org.apache.kafka:kafka-clients:3.9.2",
            "org.apache.commons:commons-pool2:2.13.1",
            "org.scala-lang.modules:scala-parallel-collections_2.13:1.2.0",
        ],
    ),
}

#: Artifacts that programs look through when they start: see ``flat.py``.
FLAT = {"hadoop-client-minicluster", "hadoop-client-api"}


def main(names: list[str]) -> None:
    """Write the locks of these names, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(M2_REPO=folder, JGO_CACHE_DIR=f"{folder}/.jgo")
        import jgo
        from jgo.maven import MavenContext

        for name in names or SOFTWARE:
            version, roots = SOFTWARE[name]
            # jgo takes a root without the mark for a list of versions too, and then others for those it needs.
            artifacts = (
                jgo.resolve("+".join(roots))
                if roots[0].endswith("!")
                else [MavenContext(repo_cache=Path(folder)).create_dependency(root).artifact for root in roots]
            )
            jars = []
            for artifact in artifacts:
                path = artifact.resolve()
                coordinates = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
                jars.append(
                    {"coordinates": coordinates, "file": path.name, "size": path.stat().st_size, "sha256": sha256(path)}
                    | ({"flat": True} if artifact.artifactId in FLAT else {})
                )
            lock = {"version": version, "roots": roots, "jars": jars}
            (FOLDER / f"{name}.json").write_text(f"{json.dumps(lock, indent=1)}\n", encoding="utf-8")
            print(f"{name} {version}: {len(jars)} jars, {sum(jar['size'] for jar in jars) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
