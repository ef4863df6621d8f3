"""What a form offers of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator, ByteSize, Field

from pilothouse.engines import form
from pilothouse.engines.protocols import Engine
from pilothouse.engines.service import Service
from pilothouse.engines.settings import Settings
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.pilots.sites import units

Bytes = Annotated[ByteSize, BeforeValidator(units.size)]
Seconds = Annotated[float, BeforeValidator(units.seconds)]


class OvenSettings(Settings):
    heap: Bytes = Field(default=ByteSize(512 << 20), ge=1, title="Heap", description="Of Java.")
    limit: Bytes | None = Field(default=None, title="Limit", description="Of all.")
    bake: Seconds = Field(default=5400.0, title="Bake", description="How long.", json_schema_extra={"x-advanced": True})
    kept: Path | None = Field(default=None, title="Kept", description="Where.")
    trays: int = Field(default=2, ge=1, le=8, title="Trays", description="How many.")


class Oven(Engine):
    title = "Oven"
    least = 3

    def settings(self) -> type[Settings]:
        return OvenSettings

    def check(self, pilot: Any, nodes: int, settings: Any) -> None:
        """Anything goes."""

    def member(self, place: Any) -> Any:
        raise NotImplementedError

    def handle(self) -> type[Service]:
        return Service


@pytest.fixture
def fields(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(form, "engine_of", lambda _: Oven())
    found: dict[str, Any] = form.form_schema("oven")["properties"]
    return found


def test_sizes_and_times_are_as_people_write_them(fields: dict[str, Any]) -> None:
    assert [fields[name]["default"] for name in ("heap", "limit", "bake")] == ["512 MiB", None, "90min"]
    text_or_number = [{"type": "string"}, {"type": "number"}]
    assert fields["heap"]["anyOf"] == fields["bake"]["anyOf"] == text_or_number
    assert fields["limit"]["anyOf"] == [*text_or_number, {"type": "null"}]
    assert (fields["heap"]["description"], fields["bake"]["x-advanced"]) == ("Of Java.", True)
    shown = {name: fields[name]["default"] for name in ("heap", "bake")}
    assert OvenSettings(**shown) == OvenSettings(), "what is shown is what it means"


def test_other_settings_keep_their_bounds_and_no_format(fields: dict[str, Any]) -> None:
    assert (fields["trays"]["minimum"], fields["trays"]["maximum"], fields["trays"]["default"]) == (1, 8, 2)
    assert fields["kept"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_nodes_are_as_many_as_the_engine_needs(fields: dict[str, Any]) -> None:
    assert list(fields)[:3] == ["engine", "nodes", "name"]
    assert (fields["nodes"]["minimum"], fields["nodes"]["default"]) == (3, 3)


def test_only_what_the_site_allows_is_offered() -> None:
    enum = form.form_schema("board", ["board", "chalk"])["properties"]["engine"]["enum"]
    assert enum == ["board"]


def test_an_engine_that_is_not_there_or_broken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="no such engine"):
        form.form_schema("chalk")

    def broken(_: str) -> Engine:
        raise ImportError("no module named chalk")

    monkeypatch.setattr(form, "engine_of", broken)
    with pytest.raises(Unavailable, match="no module named chalk") as caught:
        form.form_schema("board")
    assert caught.value.field == "engine"
