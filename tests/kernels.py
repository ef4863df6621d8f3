"""Kernels for tests, which are reached by sockets in a folder: a port that was chosen for one may be taken by somebody
else, such as one of the many clients of tests beside it, before the kernel listens there.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager, KernelManager


class _InFolder:
    """A kernel manager of jupyter_client whose kernel is reached by files."""

    def __init__(self, **options: Any) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ph-kernel-", dir="/tmp"))  # paths of sockets are short
        super().__init__(**options, transport="ipc", connection_file=str(self._folder / "k.json"))

    def cleanup_connection_file(self) -> None:
        super().cleanup_connection_file()  # type: ignore[misc]
        shutil.rmtree(self._folder, ignore_errors=True)


class FolderKernelManager(_InFolder, KernelManager):  # type: ignore[misc]
    """For kernels that a test drives itself."""


class AsyncFolderKernelManager(_InFolder, AsyncKernelManager):  # type: ignore[misc]
    """For nbclient: its `kernel_manager_class`."""
