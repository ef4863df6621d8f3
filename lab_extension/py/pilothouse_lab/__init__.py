"""What JupyterLab shows of Pilothouse: the server extension, and the built lab extension beside it."""

from __future__ import annotations

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pilothouse")
    raise AttributeError(f"module 'pilothouse_lab' has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from pilothouse_lab.app import PilothouseLab

    return [{"module": "pilothouse_lab", "app": PilothouseLab}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "pilothouse"}]
