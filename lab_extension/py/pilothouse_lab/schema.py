"""The schemas of ``openapi.yaml``, from the models: ``python -m pilothouse_lab.schema`` writes them into it.

The panel's types are made of that file (`npm run generated` in ``lab_extension``), so the models hold the panel when
it is compiled. Tests hold the three together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NotRequired

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it below Python 3.12

from pilothouse.engines.listing import Listed
from pilothouse.engines.shown import ShownService
from pilothouse.pilots.previewing import JobPreview
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.supervisor.orphans import Orphan
from pilothouse.registry.records import PilotRecord, RunRecord

API = Path(__file__).with_name("openapi.yaml")
#: What is below this line of the file is written here.
MARK = "  # Below: python -m pilothouse_lab.schema\n"
#: What is kept of a model's schema: what makes types, and what readers want. Limits are in what `/schema/pilot`
#: answers; versions of pydantic differ in how they say them.
_KEPT = (
    *("description", "type", "format", "const", "enum", "$ref", "anyOf", "items", "required"),
    *("properties", "patternProperties", "additionalProperties", "default"),
)


class UnreadableRecord(BaseModel):
    """A pilot or run whose record can't be read: shown, never deleted."""

    model_config = ConfigDict(extra="forbid")

    name: str
    state: Literal["unreadable"]
    reason: str
    path: str


#: What the form reads of a property of :func:`~pilothouse.pilots.sites.schema.form_schema`.
Property = TypedDict(
    "Property",
    {
        "$ref": str,
        "additionalProperties": "Property | bool",
        "anyOf": "list[Property]",
        "default": Any,
        "description": str,
        "enum": list[str],
        "examples": list[str],
        "items": "Property",
        "pattern": str,
        "patternProperties": "dict[str, Property]",
        "properties": "dict[str, Property]",
        "readOnly": bool,
        "title": str,
        "type": str,
        "x-advanced": bool,
    },
    total=False,
)


#: What the form reads of the whole.
FormSchema = TypedDict(
    "FormSchema",
    {
        "$defs": NotRequired["dict[str, Property]"],
        "description": NotRequired[str],
        "properties": "dict[str, Property]",
        "required": NotRequired[list[str]],
        "title": NotRequired[str],
        "type": str,
    },
)

#: What is answered, always whole.
ANSWERED: tuple[Any, ...] = (PilotRecord, RunRecord, UnreadableRecord, JobPreview, Orphan, Site, Listed, ShownService)
#: What may leave fields out.
PARTIAL: tuple[Any, ...] = (PilotDescription, Property, FormSchema)


def schemas() -> dict[str, Any]:
    """The schema of each model, and of what they are made of, by name."""
    answered = _of(ANSWERED, "serialization")
    for schema in answered.values():
        if "properties" in schema:
            schema["required"] = list(schema["properties"])
        for field in schema.get("properties", {}).values():
            field.pop("default", None)  # nothing is left out
    return dict(sorted((answered | _of(PARTIAL, "validation")).items()))


def written(text: str) -> str:
    """The file `text` with the schemas as they are now."""
    head, mark, _ = text.partition(MARK)
    if not mark:
        raise ValueError(f"no line {MARK.strip()!r} in {API.name}")
    body = yaml.dump({"schemas": schemas()}, Dumper=_Plain, sort_keys=False, width=116, allow_unicode=True)
    return head + MARK + "".join(f"  {line}" for line in body.splitlines(keepends=True))


class _Plain(yaml.SafeDumper):
    """Writes what is there twice twice: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - asked by yaml with what it writes
        return True


def _of(models: tuple[Any, ...], mode: Literal["serialization", "validation"]) -> dict[str, Any]:
    asked = [(model.__name__, mode, TypeAdapter(model)) for model in models]
    _, found = TypeAdapter.json_schemas(asked, ref_template="#/components/schemas/{model}")
    definitions: dict[str, Any] = found["$defs"]
    return {name: _plain(schema) for name, schema in definitions.items()}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Of `schema` what :data:`_KEPT` names, of its description the first paragraph."""
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "description" in kept:
        kept["description"] = " ".join(kept["description"].split("\n\n")[0].split())
    for key in ("properties", "patternProperties"):
        if key in kept:
            kept[key] = {name: _plain(each) for name, each in kept[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _plain(kept[key])
    if "anyOf" in kept:
        kept["anyOf"] = [_plain(each) for each in kept["anyOf"]]
    if "properties" in kept and kept.get("additionalProperties") is True:
        # a newer version may say more anywhere; said here, a misspelt field would be no error in TypeScript
        del kept["additionalProperties"]
    if "const" in kept:
        kept.pop("enum", None)
    return kept


if __name__ == "__main__":
    API.write_text(written(API.read_text()))
