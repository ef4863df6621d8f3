"""What `openapi.yaml` says of records is what the models say, and what is answered is like that."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter

from pilothouse.pilots.previewing import JobPreview
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.schema import form_schema
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry import records
from pilothouse.registry.records import NodeRecord, PilotRecord, Progress, RunRecord
from pilothouse.registry.states import State
from pilothouse.registry.store import Unreadable
from pilothouse_lab import schema
from pilothouse_lab.records import as_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = Site(
    name="cluster",
    system="slurm",
    fixed=["cores"],
    accounts=["lab"],
    queues=[QueueLimits(name="short", walltime=3600, features=["avx"]), QueueLimits(name="long")],
)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(schema.API.read_text())
    return found


def answer_fits(described: dict[str, Any], name: str, answer: Any) -> None:
    """As the schema `name`, of which no field is missing and which knows every field."""
    whole = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    jsonschema.validate(answer, whole, jsonschema.Draft202012Validator)
    assert set(answer) == set(described["components"]["schemas"][name]["properties"])


def test_the_schemas_are_those_of_the_models() -> None:
    text = schema.API.read_text()
    assert schema.written(text) == text, "run: python -m pilothouse_lab.schema; npm run generated"


def test_a_field_that_a_model_gets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class RunRecord(records.RunRecord):
        mood: str = ""

    monkeypatch.setattr(
        schema, "ANSWERED", (*(each for each in schema.ANSWERED if each is not records.RunRecord), RunRecord)
    )
    assert schema.written(schema.API.read_text()) != schema.API.read_text()


def test_every_state_is_one_for_the_panel(described: dict[str, Any]) -> None:
    assert described["components"]["schemas"]["State"]["enum"] == [str(state) for state in State]


@pytest.mark.parametrize(
    "record",
    [
        PilotRecord(name="a", site="local", created=NOW, nodes=[NodeRecord(name="n", since=NOW)]),
        RunRecord(name="r", kind="tasks", pilot="a", created=NOW, progress=Progress(done=1, total=2)),
    ],
    ids=lambda record: record.name,
)
def test_a_record_is_answered_whole(described: dict[str, Any], record: PilotRecord | RunRecord) -> None:
    answer_fits(described, type(record).__name__, as_json(record))


def test_an_unreadable_record_is_answered_as_described(described: dict[str, Any]) -> None:
    answer_fits(described, "UnreadableRecord", as_json(Unreadable("a", Path("a.json"), "no JSON")))


def test_sites_and_previews_are_answered_as_described(described: dict[str, Any]) -> None:
    answer_fits(described, "Site", CLUSTER.model_dump(mode="json"))
    answer_fits(described, "JobPreview", asdict(JobPreview(kind="node", script="#!/bin/sh")))


@pytest.mark.parametrize("shown", [PilotDescription.model_json_schema(), form_schema(CLUSTER)], ids=["any", "cluster"])
def test_the_form_gets_a_schema_of_the_kind_that_it_reads(shown: dict[str, Any]) -> None:
    read = TypeAdapter(schema.FormSchema).validate_python(shown, strict=True)
    assert read["properties"].keys() == shown["properties"].keys() == PilotDescription.model_fields.keys()
    assert read["properties"]["directives"]["x-advanced"]


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [each for item in part for each in references(item)]
        if not isinstance(part, dict):
            return []
        here = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return here + [each for item in part.values() for each in references(item)]

    for reference in references(described):
        found = described
        for name in reference.removeprefix("#/").split("/"):
            assert name in found, reference
            found = found[name]
