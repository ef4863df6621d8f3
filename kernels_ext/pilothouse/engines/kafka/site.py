"""A site's own Kafka: the same clients as of one that a pilot started, and no processes of ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from pilothouse.engines.kafka.clients import Clients, Configuration, credentials, reached
from pilothouse.errors import Conflict, InvalidInput, PilothouseError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class SiteKafka(Clients):
    """A Kafka that somebody else runs.

    Parameters
    ----------
    address
        Of one or more of its brokers: ``host:port,host:port``.
    username
        Whose credentials; left out, nobody's.
    password_file
        A file of mode 0600 with the password in its first line. Passwords are not taken as arguments: those end in
        notebooks.
    mechanism
        ``SCRAM-SHA-512``, ``SCRAM-SHA-256`` or ``PLAIN``.
    protocol
        ``SASL_SSL``, ``SASL_PLAINTEXT``, ``SSL`` or ``PLAINTEXT``; left out, SSL where `ca_file` is given, SASL where
        a user is.
    ca_file
        Certificates that brokers' are signed with, where the system does not know them.
    largest
        Bytes of the largest message.

    Raises
    ------
    InvalidInput
        A value can't be.
    Refused
        It does not let these credentials in; with its own words.
    Unavailable
        Nothing answers there.
    """

    def __init__(
        self,
        address: str,
        *,
        username: str = "",
        password_file: str | Path | None = None,
        mechanism: str = "SCRAM-SHA-512",
        protocol: str = "",
        ca_file: str | Path | None = None,
        largest: int = 1_000_000,
    ) -> None:
        if not address or not all(part.rpartition(":")[2].isdigit() for part in address.split(",")):
            raise InvalidInput(f"address={address!r}: host:port, or several with commas between", field="address")
        if mechanism not in MECHANISMS:
            raise InvalidInput(f"mechanism={mechanism!r}: one of {', '.join(MECHANISMS)}", field="mechanism")
        secured = "SSL" if ca_file is not None else "PLAINTEXT"
        protocol = protocol or (f"SASL_{secured}" if username else secured)
        if protocol not in PROTOCOLS:
            raise InvalidInput(f"protocol={protocol!r}: one of {', '.join(PROTOCOLS)}", field="protocol")
        if bool(username) != (password_file is not None):
            raise InvalidInput("username and password_file: both, or none of them", field="password_file")
        if bool(username) != ("SASL" in protocol):
            raise InvalidInput(f"protocol={protocol!r} and username={username!r} do not go together", field="protocol")
        password = "" if password_file is None else _password(Path(password_file).expanduser())
        authority = {} if ca_file is None else {"ssl.ca.location": str(Path(ca_file).expanduser())}
        self.address, self._largest = address, largest
        self._configuration = Configuration(credentials(address, username, password, mechanism, protocol) | authority)
        reached(self._configuration)

    @property
    def configuration(self) -> Configuration:
        """Address and credentials, for any client that is made of librdkafka."""
        return self._configuration

    @property
    def largest(self) -> int:
        """Bytes of the largest message that clients are made for."""
        return self._largest

    @property
    def state(self) -> str:
        """``running`` while it answers and lets these credentials in, else ``lost``."""
        return "lost" if self.reason else "running"

    @property
    def reason(self) -> str:
        """Why it is not ``running``."""
        try:
            reached(self._configuration, 3.0)
        except PilothouseError as error:
            return str(error)
        return ""

    @property
    def nodes(self) -> list[str]:
        """Addresses of the brokers that it has now."""
        brokers = reached(self._configuration)[1].brokers.values()
        return [f"{broker.host}:{broker.port}" for broker in sorted(brokers, key=lambda each: each.id)]

    def extend(self, n: int = 1) -> NoReturn:
        """Refused: see :class:`pilothouse.errors.Conflict`'s words."""
        self._not_ours(f"extend({n})")

    def shrink(self, n: int = 1) -> NoReturn:
        """Refused, as :meth:`extend`."""
        self._not_ours(f"shrink({n})")

    def stop(self, timeout: float = 15.0) -> NoReturn:
        """Refused, as :meth:`extend`."""
        self._not_ours(f"stop({timeout:g})")

    def wait(self, timeout: float | None = None) -> SiteKafka:
        """Returns when it answers.

        Raises
        ------
        Refused, Unavailable
            It does not let these credentials in; or does not answer within `timeout` seconds.
        """
        reached(self._configuration, 60.0 if timeout is None else timeout)
        return self

    def _not_ours(self, what: str) -> NoReturn:
        raise Conflict(
            f"{what}: the Kafka at {self.address} is run by its site; pilot.start('kafka') makes one of yours"
        )

    def __repr__(self) -> str:
        return f"<SiteKafka {self.address}>"

    def __reduce__(self) -> Any:
        raise Conflict("a site's Kafka can't be sent elsewhere, its password would go along: connect there")


def _password(file: Path) -> str:
    try:
        with file.open() as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InvalidInput(
                    f"password_file={str(file)!r}: others can read it (mode {stat.S_IMODE(mode):04o}); "
                    f"chmod 600 {file}",
                    field="password_file",
                )
            password = opened.readline().rstrip("\n")
    except OSError as error:
        raise InvalidInput(f"password_file={str(file)!r}: {error.strerror}", field="password_file") from None
    if not password:
        raise InvalidInput(f"password_file={str(file)!r}: its first line is empty", field="password_file")
    return password
