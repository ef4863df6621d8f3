"""Which handler answers where. ``openapi.yaml`` describes the same to readers; a test holds the two together."""

from __future__ import annotations

from typing import Any

from pilothouse_lab import dashboard
from pilothouse_lab.market import Market
from pilothouse_lab.pilots import (
    OnePilot,
    PilotAdapt,
    PilotExtend,
    PilotLogs,
    PilotPreview,
    PilotProlong,
    PilotRecover,
    PilotRemove,
    PilotRenew,
    Pilots,
    PilotSchema,
    PilotShrink,
    PilotTimeline,
    Sites,
    Sweep,
)
from pilothouse_lab.runs import OneRun, RunLogs, RunRemove, Runs, RunStop
from pilothouse_lab.services import Engines, PilotStart, ServiceExtend, Services, ServiceSchema, ServiceShrink
from pilothouse_lab.telemetry import TelemetrySocket

PREFIX = "/pilothouse/api/v1"

#: Path as in OpenAPI -> handler.
PATHS: dict[str, type[Any]] = {
    "/sites": Sites,
    "/schema/pilot": PilotSchema,
    "/schema/service": ServiceSchema,
    "/engines": Engines,
    "/preview/pilot": PilotPreview,
    "/pilots": Pilots,
    "/pilots/{name}": OnePilot,
    "/pilots/{name}/start": PilotStart,
    "/pilots/{name}/extend": PilotExtend,
    "/pilots/{name}/shrink": PilotShrink,
    "/pilots/{name}/renew": PilotRenew,
    "/pilots/{name}/prolong": PilotProlong,
    "/pilots/{name}/adapt": PilotAdapt,
    "/pilots/{name}/recover": PilotRecover,
    "/pilots/{name}/remove": PilotRemove,
    "/pilots/{name}/timeline": PilotTimeline,
    "/pilots/{name}/logs": PilotLogs,
    "/sweep": Sweep,
    "/runs": Runs,
    "/runs/{name}": OneRun,
    "/runs/{name}/stop": RunStop,
    "/runs/{name}/remove": RunRemove,
    "/runs/{name}/extend": ServiceExtend,
    "/runs/{name}/shrink": ServiceShrink,
    "/runs/{name}/logs": RunLogs,
    "/runs/{name}/telemetry": TelemetrySocket,
    "/services": Services,
    "/market": Market,
}


def routes() -> list[tuple[str, type[Any]]]:
    """The routes, relative to the server's base URL."""
    api = [(PREFIX + path.replace("{name}", "([^/]+)"), handler) for path, handler in PATHS.items()]
    return [*api, *dashboard.PATHS.items()]
