"""What a run of the market has committed: a file in its folder, from which another process goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from pilothouse.errors import PilothouseError
from pilothouse.state import write_atomic


class Kept(BaseModel):
    """Such a file; in memory alone unless it comes from :meth:`read`."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal[1] = 1
    _path: Path | None = PrivateAttr(default=None)
    _is_continued: bool = PrivateAttr(default=False)

    @classmethod
    def read(cls, path: Path, fresh: Self) -> Self:
        """What is written at `path`; `fresh`, which is then written there, when nothing is.

        Raises
        ------
        PilothouseError
            The file can't be read; it is left as it is.
        """
        try:
            found = cls.model_validate_json(path.read_bytes())
            found._is_continued = True  # noqa: SLF001 - its own class: pydantic keeps private attributes out of the file
        except FileNotFoundError:
            found = fresh
        except ValidationError as error:
            raise PilothouseError(f"{path} can't be read: {error}", field=path.stem) from None
        found._path = path  # noqa: SLF001 - its own class
        found.commit()
        return found

    @property
    def is_continued(self) -> bool:
        """Whether another process began."""
        return self._is_continued

    def commit(self) -> None:
        """Write it down; it is on disk when this returns."""
        if self._path is not None:
            write_atomic(self._path, self.model_dump_json().encode())
