"""``pilot.start``: check, make the secrets, launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilothouse.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from pilothouse.engines.service import Service
    from pilothouse.registry.naming import Exist


class Starts:
    """What a pilot can do with engines."""

    def start(
        self, engine: str, *, nodes: int = 1, name: str | None = None, exist: Exist = "number", **settings: Any
    ) -> Service:
        """Start a framework on nodes of the pilot and return at once; ``.wait()`` waits until it answers.

        Parameters
        ----------
        engine
            ``"kafka"``, ``"spark"`` ...: those of :func:`pilothouse.engines`.
        nodes
            On how many of the pilot's nodes; it waits for those that are not there yet.
        name
            One that no other pilot or run of the user has; made from the engine's when left out.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this one
            ``name-2`` and warns, ``"error"`` refuses.
        settings
            The engine's own.

        Raises
        ------
        InvalidInput
            A value can't be; nothing was started.
        Unavailable
            What the engine needs is not there: Java, its software.
        Refused
            It would not be safe there; the message says what would be.
        Conflict
            Something that goes on has that name.

        Examples
        --------
        >>> kafka = pilot.start("kafka", nodes=1)  # doctest: +SKIP
        >>> kafka.producer().produce("topic", b"value")  # doctest: +SKIP
        """
        from pilothouse.engines.loading import engine as engine_of
        from pilothouse.engines.secrets import written
        from pilothouse.engines.settings import checked

        chosen = engine_of(engine)
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < chosen.least:
            raise InvalidInput(f"nodes={nodes!r}: a whole number, {chosen.least} or more", field="nodes")
        record = self.record  # type: ignore[attr-defined]
        allowed = record.settings.get("engines")
        if allowed is not None and engine not in allowed:
            there = f"only {', '.join(allowed)}" if allowed else "no engine"
            raise Refused(
                f"engine={engine!r}: site {record.site!r} lets pilots start {there}; its admins say so", field="engine"
            )
        values = checked(engine, chosen.settings(), settings)
        chosen.check(record, nodes, values)
        parameters = {"engine": engine, "nodes": nodes, "settings": values.model_dump(mode="json")}
        service: Service = self.launch(  # type: ignore[attr-defined]
            "service", parameters, name=name, stem=engine, files=written(chosen.secrets(values)), exist=exist
        )
        return service
