"""What a folder of Hadoop's configuration (``HADOOP_CONF_DIR``) says of a cluster."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from pilothouse.errors import InvalidInput, Unavailable

#: Of Hadoop's own, as far as they are needed to find a ResourceManager.
DEFAULTS = {
    "yarn.resourcemanager.hostname": "0.0.0.0",  # noqa: S104 - Hadoop's; nothing listens there for us
    "yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:8088",
    "yarn.resourcemanager.webapp.https.address": "${yarn.resourcemanager.hostname}:8090",
}
#: How deep a value may name others.
_DEEPEST = 20
_NAMED = re.compile(r"\$\{([^}$\s]+)\}")


def conf_dir(said: str = "", file: str = "yarn-site.xml") -> Path:
    """The folder, said or of ``$HADOOP_CONF_DIR``.

    Parameters
    ----------
    file
        What has to be there.

    Raises
    ------
    InvalidInput
        There is no folder, or no such file in it.
    """
    where = said or os.environ.get("HADOOP_CONF_DIR", "")
    if not where:
        raise InvalidInput(
            "conf_dir='': no Hadoop is known here; name the folder of its configuration, or set HADOOP_CONF_DIR",
            field="conf_dir",
        )
    folder = Path(where).expanduser()
    if not (folder / file).is_file():
        raise InvalidInput(f"conf_dir={where!r}: there is no {file} in it", field="conf_dir")
    return folder


def properties(folder: Path, *files: str) -> dict[str, str]:
    """What the files of `folder` say (``core-site.xml`` and ``yarn-site.xml`` where none are named), names resolved.

    Raises
    ------
    Unavailable
        One can't be read.
    """
    said = dict(DEFAULTS)
    for name in files or ("core-site.xml", "yarn-site.xml"):
        path = folder / name
        try:
            root = ElementTree.fromstring(path.read_bytes()) if path.exists() else None  # noqa: S314 - the site's own
        except (OSError, ElementTree.ParseError) as error:
            raise Unavailable(f"{path} can't be read: {error}") from None
        for each in () if root is None else root.iter("property"):
            key, value = each.findtext("name", "").strip(), each.findtext("value")
            if key and value is not None:
                said[key] = value.strip()
    return {name: _resolved(value, said) for name, value in said.items()}


def _resolved(value: str, said: Mapping[str, str]) -> str:
    for _ in range(_DEEPEST):
        new = _NAMED.sub(lambda name: said.get(name[1], os.environ.get(name[1].removeprefix("env."), name[0])), value)
        if new == value:
            break
        value = new
    return value


def resource_managers(said: Mapping[str, str]) -> list[str]:
    """Where the ResourceManagers' REST interfaces are, by what a configuration says; one of them serves."""
    https = said.get("yarn.http.policy") == "HTTPS_ONLY"
    key = "yarn.resourcemanager.webapp.https.address" if https else "yarn.resourcemanager.webapp.address"
    names = ids(said.get("yarn.resourcemanager.ha.rm-ids", ""))
    if said.get("yarn.resourcemanager.ha.enabled") != "true" or not names:
        addresses = [said[key]]
    else:
        port = said[key].rpartition(":")[2]
        addresses = [
            said.get(f"{key}.{each}") or f"{said.get(f'yarn.resourcemanager.hostname.{each}', '')}:{port}"
            for each in names
        ]
    here = [re.sub(r"^0\.0\.0\.0(?=:)", "127.0.0.1", address) for address in addresses]
    return [f"{'https' if https else 'http'}://{address}" for address in here]


def ids(said: str) -> list[str]:
    """Names with commas between them."""
    return [each.strip() for each in said.split(",") if each.strip()]


def kerberos(said: Mapping[str, str]) -> bool:
    """Whether the cluster wants Kerberos's tickets."""
    return said.get("hadoop.security.authentication", "simple") == "kerberos"
