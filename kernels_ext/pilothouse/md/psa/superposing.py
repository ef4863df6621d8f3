"""Putting frames on one another: every frame of every path on one reference structure, and whether that is called for.

The rotation that makes the RMSD least is found by the quaternion characteristic polynomial (Theobald, Acta Cryst.
A 61 (2005) 478; Liu, Agrafiotis, Theobald, J. Comput. Chem. 31 (2010) 1561), in MDAnalysis's implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.md.psa.filtering import Array, Floats

#: Fewer atoms can be put on almost anything: nothing follows from that.
_FEW = 10
#: Structures lie apart where a superposition makes their RMSD less than this part of what it was, and
_PART = 0.5
#: the RMSD was at least twice this (Å), about the thermal motion of a backbone.
_THERMAL = 1.0


def superpose(path: Array, reference: Array) -> Array:
    """Each frame where its RMSD from the reference is least; all atoms count alike.

    Parameters
    ----------
    path
        Shape (frames, 3 x atoms), Å.
    reference
        Shape (3 x atoms,), Å.

    Returns
    -------
    numpy.ndarray
        Of the shape and the type of `path`, computed in float64 and rounded once. The centre of the reference comes
        to lie at the origin, which no distance between paths knows of.
    """
    from MDAnalysis.lib.qcprot import CalcRMSDRotationalMatrix

    target = _centred(reference)
    rotation = np.empty(9)
    moved = np.empty_like(path)
    for place, frame in enumerate(path):
        mobile = _centred(frame)
        CalcRMSDRotationalMatrix(mobile, target, len(target), rotation, None)
        moved[place] = (mobile @ rotation.reshape(3, 3).T).ravel()
    return moved


def apart(structures: Sequence[Array], labels: Sequence[str]) -> str:
    """What to tell the user of paths that seem not to have been aligned; empty where there is nothing to tell.

    Each structure is compared with the first one as it lies, and superposed on it. On paths with a common reference
    the two differ little, for what is left to a superposition is how their fits to the reference differ.

    Parameters
    ----------
    structures
        One of each path, shape (atoms, 3), Å.
    """
    first = np.asarray(structures[0], dtype=np.float64)
    if len(first) < _FEW:
        return ""
    worst = 0.0, 0.0, ""
    target: Floats | None = None
    for structure, label in zip(structures[1:], labels[1:], strict=True):
        lies = float(np.sqrt(np.square(structure - first).sum() / len(first)))
        if not lies > max(worst[0], _THERMAL / _PART):
            continue
        target = _centred(first) if target is None else target
        fitted = _least_rmsd(_centred(structure), target)
        if max(fitted, _THERMAL) < _PART * lies:
            worst = lies, fitted, label
    if not worst[2]:
        return ""
    lies, fitted, label = worst
    return (
        f"trajectories lie apart before a fit: {label!r} and {labels[0]!r} are {lies:.3g} Å from each other as they "
        f"are, {fitted:.3g} Å once superposed, so the distances would tell where the molecules lie rather than how "
        "they move. Take align=True to put every frame on the first one, or align the trajectories to one reference "
        "beforehand; where they are, on other atoms than these, all is well"
    )


def _centred(frame: Any) -> Floats:
    structure = np.array(frame, dtype=np.float64).reshape(-1, 3)
    structure -= structure.mean(axis=0)
    return structure


def _least_rmsd(mobile: Floats, target: Floats) -> float:
    """The RMSD (Å) of centred structures after the best rotation (Kabsch, Acta Cryst. A 32 (1976) 922)."""
    covariance = mobile.T @ target
    singular = np.linalg.svd(covariance, compute_uv=False)
    if np.linalg.det(covariance) < 0:  # a rotation can't mirror
        singular[2] *= -1
    squared = np.square(mobile).sum() + np.square(target).sum() - 2 * singular.sum()
    return float(np.sqrt(max(squared, 0.0) / len(target)))
