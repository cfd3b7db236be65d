"""Telling what a file is from its content, and reading it: the door through which evidence from outside comes in.

The answer is always a value. A file that nobody recognises, that contradicts itself or that was made to do harm is refused
with a code and a sentence, never with an exception, and never with anything out of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.importers.archive import SIGNATURE, Archive
from headgate.evidence.importers.counts_csv import CountsCsv
from headgate.evidence.importers.every_eval_ever import EveryEvalEver
from headgate.evidence.importers.findings import declared_fits
from headgate.evidence.importers.garak import Garak
from headgate.evidence.importers.helm import Helm, read_folder
from headgate.evidence.importers.inspect_eval import InspectEval, InspectJson
from headgate.evidence.importers.interface import MOST_DOCUMENT_BYTES, Glimpse, Reason, Refusal, Unfit
from headgate.evidence.importers.lm_eval import LmEvalResults, LmEvalSamples
from headgate.evidence.importers.reading import document, head, lines, upload, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from headgate.evidence.importers.interface import Declared, Imported, Importer, Upload

IMPORTERS: tuple[Importer, ...] = (
    InspectEval(),
    InspectJson(),
    EveryEvalEver(),
    LmEvalResults(),
    LmEvalSamples(),
    Garak(),
    Helm(),
    CountsCsv(),
)
_START_BYTES = 4096
_FILES_OF_A_HELM_RUN: tuple[frozenset[str], ...] = (
    frozenset({"adapter_spec", "scenario_spec"}),
    frozenset({"adapter_spec", "request_states"}),
    frozenset({"instance_id", "stats"}),
    frozenset({"name", "count", "sum_squared"}),
)


def read(stream: BinaryIO, declared: Declared, *, name: str | None = None) -> Imported | Refusal:
    """Read a file of evaluation results.

    Args:
        stream: The opened file: readable, seekable, binary.
        declared: What whoever hands it in says of it, and answers for.
        name: Its name where it is known; the format is never told from it.

    Returns:
        Its findings and what was left out, or why it is refused.
    """
    try:
        declared_fits(declared)
        file = upload(stream, name)
        return recognise(file).read(file, declared)
    except Unfit as unfit:
        return unfit.refusal


def read_run_folder(files: Mapping[str, bytes], declared: Declared) -> Imported | Refusal:
    """Read a HELM run folder from its files; see ``read``.

    Args:
        files: Content by file name.
        declared: What was declared of it.
    """
    try:
        declared_fits(declared)
        return read_folder(files, declared)
    except Unfit as unfit:
        return unfit.refusal


def recognise(file: Upload) -> Importer:
    """Return the importer of a file's format.

    Raises:
        Unfit: Nobody here reads it.
    """
    glimpse = _glimpse(file)
    for importer in IMPORTERS:
        if importer.recognises(glimpse):
            return importer
    raise _stranger(glimpse)


def _glimpse(file: Upload) -> Glimpse:
    start = head(file, _START_BYTES)
    if start.startswith(SIGNATURE):
        try:
            return Glimpse(start, entries=frozenset(Archive(file).entries))
        except Unfit as unfit:
            if unfit.refusal.reason is not Reason.TRUNCATED:
                raise
            return Glimpse(start)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"{", b"["}:
        return Glimpse(start)
    first = next(lines(file), None) if _first_line_stands_alone(file) else None
    if first is not None:
        return Glimpse(start, keys=frozenset(first), lines=True)
    read = document(whole(file))
    return Glimpse(start, keys=_keys(read))


def _first_line_stands_alone(file: Upload) -> bool:
    """Return whether a file's first line is a table by itself, with more to come or one that only such files hold."""
    file.stream.seek(0)
    first = file.stream.readline(MOST_DOCUMENT_BYTES)
    more = file.stream.read(_START_BYTES).strip()
    if not more and b'"entry_type"' not in first[:_START_BYTES]:
        return False
    try:
        return isinstance(document(first), dict)
    except Unfit:
        return False


def _keys(read: object) -> frozenset[str]:
    """Return the keys of a table, or of the first table of a list."""
    rows = cast("list[object]", read) if isinstance(read, list) else [read]
    first = rows[0] if rows else None
    return frozenset(cast("dict[str, Any]", first)) if isinstance(first, dict) else frozenset()


def _stranger(glimpse: Glimpse) -> Unfit:
    """Return why a file that no importer recognises is refused: by name, where it is known what it is."""
    if {"data_type", "problemtype"} <= glimpse.keys:
        return Unfit(Reason.NOT_A_RESULT, "These are AVID records made out of a garak report; hand in the report.")
    if "entry_type" in glimpse.keys:
        return Unfit(Reason.NOT_A_RESULT, "This is a digest of a garak report; hand in the report.")
    if any(marks <= glimpse.keys for marks in _FILES_OF_A_HELM_RUN):
        return Unfit(Reason.NOT_A_RESULT, "This is one file of a HELM run; hand in the folder.")
    if glimpse.start.startswith(SIGNATURE) and not glimpse.entries:
        return Unfit(Reason.TRUNCATED, "The archive has no directory: it was cut off, or is empty.")
    return Unfit(Reason.UNKNOWN_FORMAT, "Nobody here reads this format.")
