"""Ray: a head, which has what the cluster knows of itself, and workers."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pilothouse.engines.protocols import Engine, Member, Place
from pilothouse.errors import Unavailable

if TYPE_CHECKING:
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord

HEAD, WORKER = "head", "worker"


class Ray(Engine):
    """Ray's clusters, always with a token."""

    title = "Ray"
    packages = ("ray",)

    def settings(self) -> type[Settings]:
        """See :class:`pilothouse.engines.ray.settings.RaySettings`."""
        from pilothouse.engines.ray.settings import RaySettings

        return RaySettings

    def check(self, pilot: PilotRecord, nodes: int, settings: Any) -> None:  # noqa: ARG002 - pilots of all sizes will do
        """Refuse what can't be.

        Raises
        ------
        Unavailable
            Ray is not installed here.
        Refused
            The pilot's nodes are on this host, and it can be reached from outside.
        """
        from pilothouse.engines.ray.exposure import check_private

        if find_spec("ray") is None:
            raise Unavailable(
                "engine='ray': Ray is not installed here: pip install 'pilothouse[ray]', here and in the nodes' "
                "environment, the same version",
                field="engine",
            )
        if pilot.site == "local" and not settings.public:
            check_private(os.uname().nodename)

    def secrets(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - it has one whatever they are
        """The token without which nobody is let in."""
        return {"token": secrets.token_urlsafe(32)}

    def role(self, there: Sequence[str], wanted: int) -> str:  # noqa: ARG002 - one head, however many
        """The first one is the head."""
        return WORKER if HEAD in there else HEAD

    def first(self, role: str) -> bool:
        """Workers come to the head."""
        return role == HEAD

    def loses(self, role: str, others: Sequence[str]) -> str:  # noqa: ARG002 - nobody can take over from it
        """Without the head nothing of the cluster is left: where its tasks, actors and objects are, it alone knows."""
        return "all of Ray's tasks, actors and objects, for its head alone knows of them" if role == HEAD else ""

    def member(self, place: Place) -> Member:
        """See :class:`pilothouse.engines.ray.member.RayMember`."""
        from pilothouse.engines.ray.member import RayMember

        return RayMember(place)

    def handle(self) -> type[Service]:
        """See :class:`pilothouse.engines.ray.service.RayService`."""
        from pilothouse.engines.ray.service import RayService

        return RayService
