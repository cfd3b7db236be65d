"""Whatever is handed in, the answer is findings or a refusal, in bounded space, and nothing private comes out."""

from __future__ import annotations

import io
import json
import re
import struct
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.evidence.importers import (
    archive,
    counts_csv,
    detect,
    findings,
    garak,
    helm,
    inspect_eval,
    interface,
    lm_eval,
    reading,
)
from headgate.evidence.importers.detect import read
from headgate.evidence.importers.interface import Imported, Reason, Refusal, Unfit
from headgate.evidence.importers.naming import kept
from headgate.evidence.model.record import Effort, Elicitation, Subject, contradiction
from headgate.testing.evaluations import (
    DEFLATED,
    SECRET,
    STORED,
    ZSTANDARD,
    a_declaration,
    a_garak_report,
    a_helm_run,
    an_archive,
    an_every_eval_ever_document,
    an_inspect_archive,
    an_inspect_log,
    an_lm_eval_document,
    as_json,
    as_lines,
)

if TYPE_CHECKING:
    from types import ModuleType

HELM = a_helm_run({"a": [1.0], "b": [0.0]})
FILES = {
    "inspect_eval": an_inspect_archive(an_inspect_log()),
    "inspect_json": as_json(an_inspect_log()),
    "lm_eval": as_json(an_lm_eval_document()),
    "garak": as_lines(a_garak_report()),
    "helm": an_archive({name: (DEFLATED, content) for name, content in HELM.items()}),
    "every_eval_ever": as_json(an_every_eval_ever_document()),
    "counts_csv": b"task,metric,unit,cluster,k,n\nctf,solved,item,,3,64\n",
}
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    2.5,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    "",
    "N/A",
    "\ud800",
    SECRET,
    [],
    {},
    [[]],
    [1],
]


def refused(content: bytes, **declared: Any) -> Reason:
    outcome = read(io.BytesIO(content), a_declaration(**declared))
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def answered(content: bytes, **declared: Any) -> Imported | Refusal:
    """Read a file, and check what must hold of every answer."""
    outcome = read(io.BytesIO(content), a_declaration(**declared))
    assert SECRET not in repr(outcome)
    if isinstance(outcome, Imported):
        assert outcome.findings
        for finding in outcome.findings:
            assert contradiction(finding) is None
            assert msgspec.json.encode(finding)
    else:
        assert outcome.says.endswith(".")
    return outcome


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_told_from_its_content(name: str) -> None:
    outcome = answered(FILES[name])
    assert isinstance(outcome, Imported), outcome
    assert outcome.findings[0].source.format.value == name
    assert not outcome.findings[0].unquantified


@pytest.mark.parametrize("name", FILES)
def test_no_secret_of_a_file_comes_out(name: str) -> None:
    """The files hold a key in arguments, addresses, environments, prompts and explanations."""
    if name not in {"helm", "inspect_eval", "counts_csv"}:
        assert SECRET.encode() in FILES[name]
    answered(FILES[name])


@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_secret_where_a_name_should_be_does_not_come_out(name: str, data: st.DataObject) -> None:
    if name in {"inspect_eval", "helm", "counts_csv"}:
        return
    rows = [json.loads(line) for line in FILES[name].splitlines()]
    row = data.draw(st.sampled_from(rows))
    put(row, SECRET, data)
    answered(as_lines(rows) if len(rows) > 1 else as_json(rows[0]))


def test_a_refused_part_is_not_named_by_what_may_be_a_secret() -> None:
    rows = "".join(f"{SECRET},solved,item,{cluster},1,{interface.MOST_UNITS}\n" for cluster in "ab")
    outcome = answered(b"task,metric,unit,cluster,k,n\n" + rows.encode())
    assert isinstance(outcome, Refusal)
    assert (outcome.reason, outcome.part) == (Reason.TOO_LARGE, "part-1")


def put(tree: Any, value: Any, data: st.DataObject) -> None:
    """Put a value at a place drawn from all of a tree."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(tree)
    if places:
        node, key = data.draw(st.sampled_from(places))
        node[key] = deepcopy(value)


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(content: bytes) -> None:
    answered(content)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_document_is_answered(document: object) -> None:
    answered(as_json(document))


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files_are_answered(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    answered(bytes(content))
    answered(FILES[name][: data.draw(st.integers(0, len(FILES[name])))])


@given(st.sampled_from(["inspect_json", "lm_eval", "garak", "every_eval_ever"]), st.sampled_from([None, "declared"]), st.data())
def test_files_with_anything_anywhere_are_answered(name: str, direction: str | None, data: st.DataObject) -> None:
    rows = [json.loads(line) for line in FILES[name].splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        put(data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(JUNK)), data)
    declared = {} if direction else {"direction": None, "evaluator": None, "produced_at": None}
    answered(as_lines(rows) if len(rows) > 1 else as_json(rows[0]), **declared)


@given(st.sampled_from(["run_spec.json", "per_instance_stats.json", "stats.json"]), st.data())
def test_run_folders_with_anything_anywhere_are_answered(name: str, data: st.DataObject) -> None:
    tree = [json.loads(HELM[name])]
    put(tree, data.draw(st.sampled_from(JUNK)), data)
    outcome = detect.read_run_folder({**HELM, name: as_json(tree[0])}, a_declaration())
    assert SECRET not in repr(outcome)


def test_a_key_that_appears_twice_is_refused() -> None:
    once = as_json(an_inspect_log())
    assert refused(once.replace(b'"status": "success"', b'"status": "error", "status": "success"')) is Reason.DUPLICATE


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"entry_type":'])
def test_a_document_that_is_too_deep_is_refused(opening: bytes) -> None:
    assert refused(opening * 200_000) is Reason.TOO_DEEP


def test_numbers_too_long_to_read_are_refused() -> None:
    assert refused(b'{"version": ' + b"9" * 10_000 + b', "status": 1, "eval": 1}') is Reason.UNREADABLE


def test_sizes_have_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, cap in (
        (reading, "MOST_DOCUMENT_BYTES"),
        (reading, "MOST_VALUES"),
        (reading, "MOST_FILE_BYTES"),
    ):
        with monkeypatch.context() as small:
            small.setattr(module, cap, 100)
            assert refused(FILES["inspect_json"]) is Reason.TOO_LARGE
    for module, cap in ((archive, "MOST_ENTRIES"), (archive, "MOST_DOCUMENT_BYTES")):
        with monkeypatch.context() as small:
            small.setattr(module, cap, 5)
            assert refused(FILES["inspect_eval"]) is Reason.TOO_LARGE
    for module, cap in ((reading, "MOST_LINE_BYTES"), (reading, "MOST_ENTRIES")):
        with monkeypatch.context() as small:
            small.setattr(module, cap, 5)
            assert refused(FILES["garak"]) is Reason.TOO_LARGE
    for cap in ("MOST_FINDINGS", "MOST_UNITS"):
        with monkeypatch.context() as small:
            small.setattr(findings, cap, 0)
            assert refused(FILES["counts_csv"]) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("module", "file"),
    [(inspect_eval, "inspect_json"), (garak, "garak"), (helm, "helm"), (counts_csv, "counts_csv"), (lm_eval, "lm_eval_samples")],
)
def test_what_is_held_in_memory_has_a_cap(module: ModuleType, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"doc_id": 0, "doc": {}, "resps": [], "acc": 1.0}
    files = {**FILES, "lm_eval_samples": as_lines([row, {**row, "doc_id": 1}])}
    assert isinstance(answered(files[file]), Imported)
    monkeypatch.setattr(module, "MOST_ENTRIES", 1)
    assert refused(files[file]) is Reason.TOO_LARGE


def test_a_run_folder_s_documents_have_a_cap_and_its_other_files_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "MOST_DOCUMENT_BYTES", 2000)
    large = {**HELM, "scenario_state.json": b"x" * 3000}
    assert isinstance(detect.read_run_folder(large, a_declaration()), Imported)
    monkeypatch.setattr(helm, "MOST_DOCUMENT_BYTES", 100)
    refusal = detect.read_run_folder(large, a_declaration())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.TOO_LARGE


def test_a_log_too_large_to_look_through_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_eval, "MOST_SCANNED_BYTES", 10)
    outcome = answered(FILES["inspect_eval"])
    assert isinstance(outcome, Imported)
    assert "fallbacks_unchecked" in {caveat.code for caveat in outcome.findings[0].caveats}


@pytest.mark.parametrize(
    ("part", "place", "there", "reason"),
    [
        (b"PK\x05\x06", 0, b"no end here", Reason.TRUNCATED),
        (b"PK\x05\x06", 10, b"\x05", Reason.UNREADABLE),  # more entries than there are
        (b"PK\x05\x06", 16, b"\xf0\xff\xff\x00", Reason.TRUNCATED),  # a directory behind the end
        (b"PK\x01\x02", 0, b"PK\x00\x00", Reason.UNREADABLE),
        (b"PK\x01\x02", 28, b"\xff\xff", Reason.UNREADABLE),  # a name longer than the directory
        (b"PK\x01\x02", 42, b"\x01", Reason.UNREADABLE),  # no entry at its place
        (b"PK\x01\x02", 42, b"\xff\xff\xff\xff", Reason.UNREADABLE),  # a wide place, and no extra field
        (b"PK\x01\x02", 20, b"\xff\xff\x00", Reason.TRUNCATED),  # an entry that goes on behind the end
        (b"PK\x01\x02", 20, b"\x05", Reason.TRUNCATED),  # an entry that ends too soon
    ],
)
def test_a_damaged_directory_is_refused(part: bytes, place: int, there: bytes, reason: Reason) -> None:
    packed = an_archive({"header.json": (DEFLATED, as_json(an_inspect_log(samples=...)))})
    assert isinstance(answered(packed), Imported)
    start = packed.index(part) + place
    assert refused(packed[:start] + there + packed[start + len(there) :]) is reason


def test_an_archive_that_unpacks_to_more_than_it_says_is_refused() -> None:
    for method in (ZSTANDARD, DEFLATED, STORED):
        bomb = an_archive({"header.json": (method, b"0" * 10**7)}, lie_about_size=10 - 10**7)
        assert refused(bomb) is Reason.UNSAFE_ARCHIVE


def test_an_archive_that_says_how_much_it_unpacks_to_is_refused_before_it_does() -> None:
    held = {"header.json": (ZSTANDARD, b"0" * (interface.MOST_DOCUMENT_BYTES + 1))}
    packed = an_archive(held)
    assert len(packed) < 10**5
    assert refused(packed) is Reason.TOO_LARGE


@pytest.mark.parametrize("name", ["../header.json", "/header.json", "a/../../b", "C:header.json", "a\\b", "a\0b", ""])
def test_an_archive_that_names_paths_outside_itself_is_refused(name: str) -> None:
    entries = {"header.json": (STORED, as_json(an_inspect_log())), name: (STORED, b"x")}
    assert refused(an_archive(entries)) is Reason.UNSAFE_ARCHIVE


def test_an_encrypted_archive_is_refused() -> None:
    assert refused(an_archive({"header.json": (STORED, b"{}")}, flags=0x801)) is Reason.UNSAFE_ARCHIVE


def test_an_entry_that_appears_twice_is_refused() -> None:
    packed = an_archive({"header.json": (STORED, b"{}"), "headex.json": (STORED, b"{}")})
    assert refused(packed.replace(b"headex.json", b"header.json")) is Reason.UNSAFE_ARCHIVE


def test_an_entry_packed_in_an_unknown_way_is_refused() -> None:
    assert refused(an_archive({"header.json": (14, b"{}")})) is Reason.UNREADABLE


def test_an_entry_with_a_wrong_checksum_is_refused() -> None:
    packed = an_archive({"header.json": (STORED, b'{"version": 2}')})
    assert refused(packed.replace(b'{"version": 2}', b'{"version": 3}')) is Reason.TRUNCATED


def test_an_archive_with_wide_numbers_is_read() -> None:
    """ZIP64, as written for archives above 4 GiB: sizes and places stand in extra fields, and in a second directory end."""
    content = as_json(an_inspect_log(samples=...))
    plain = an_archive({"header.json": (STORED, content)})
    at = plain.index(b"PK\x01\x02")
    body, central = plain[:at], bytearray(plain[at : plain.index(b"PK\x05\x06")])
    extra = struct.pack("<HHQQQ", 1, 24, len(content), len(content), 0)
    central[20:28], central[42:46] = b"\xff" * 8, b"\xff" * 4
    central[30:32] = struct.pack("<H", len(extra))
    central += extra
    end = struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(central), at)
    locator = struct.pack("<IQI", 0, at + len(central), 1)
    old = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    wide = body + bytes(central) + b"PK\x06\x06" + end + b"PK\x06\x07" + locator + b"PK\x05\x06" + old
    assert isinstance(answered(wide), Imported)
    assert refused(wide.replace(b"PK\x06\x07", b"PK\x00\x00")) is Reason.UNREADABLE
    assert refused(wide.replace(b"PK\x06\x06", b"PK\x00\x00")) is Reason.UNREADABLE


def test_nothing_and_strangers_are_refused() -> None:
    assert refused(b"") is Reason.UNKNOWN_FORMAT
    assert refused(b"\x89PNG\r\n") is Reason.UNKNOWN_FORMAT
    assert refused(b'{"hello": 1}') is Reason.UNKNOWN_FORMAT
    assert refused(b"[]") is Reason.UNKNOWN_FORMAT
    assert refused(an_archive({"a.txt": (STORED, b"")})) is Reason.UNKNOWN_FORMAT


def test_a_document_on_one_line_is_no_list_of_lines() -> None:
    assert isinstance(answered(FILES["inspect_json"] + b"\n\n  \n"), Imported)
    pretty = json.dumps(an_inspect_log(), indent=2).encode()
    assert isinstance(answered(b"\xef\xbb\xbf" + pretty), Imported)


@pytest.mark.parametrize(
    "declared",
    [
        {"valid_for": timedelta(0)},
        {"valid_for": timedelta(days=-1)},
        {"valid_for": timedelta(days=100_000)},
        {"now": datetime(2026, 4, 1)},  # noqa: DTZ001 - without an offset, on purpose
        {"produced_at": datetime(2026, 4, 1)},  # noqa: DTZ001 - as above
        {"suite": ""},
        {"domain": ""},
        {"subject": Subject("", None, None)},
        {"elicitation": Elicitation(Effort.PROMPTED, attempts=0)},
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: dict[str, Any]) -> None:
    assert refused(FILES["inspect_json"], **declared) is Reason.DECLARED
    outcome = detect.read_run_folder(HELM, a_declaration(**declared))
    assert isinstance(outcome, Refusal)
    assert outcome.reason is Reason.DECLARED


def test_evidence_from_the_future_is_refused() -> None:
    log = an_inspect_log(stats__completed_at="2031-01-01T00:00:00+00:00")
    assert refused(as_json(log)) is Reason.NO_DATE


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "https://user:pw@host/model",
        "api_key=abc",
        "model (token: abcdef)",
        "Bearer: abc",
        "hf_abcdefghijklmnopqrst",
        "AKIAIOSFODNN7EXAMPLE",
        "x/eyJhbGciOiJIUzI1NiJ9",
        "Zm9vYmFyQmF6MTIzNDU2Nzg5MGFiY2RlZg",
        "line\nbreak",
        "\x1b[31m",
        "\u202eevil",
        "x" * 161,
        "",
        7,
        None,
    ],
)
def test_what_may_be_a_secret_is_not_kept(secret: object) -> None:
    assert kept(secret) is None


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4o-mini",
        "azureai/Meta-Llama-3-1-405B-Instruct-jqf",
        "0.3.41.dev123+g9ad2119a.d20241015",
        "air_bench_2024:model=openai_gpt-4o-2024-05-13",
        "hendrycksTest-medical_genetics",
        "skill-recognition",
        "acc,none",
        "pass@5",
        "5-shot",
        "Überprüfung",
    ],
)
def test_names_are_kept(name: str) -> None:
    assert kept(name) == name


def test_a_refusal_carries_its_code_to_whoever_raises_it() -> None:
    unfit = Unfit(Reason.LIMITED, "The run was limited.", "task")
    assert unfit.refusal == Refusal(Reason.LIMITED, "The run was limited.", "task")
    assert (unfit.code, unfit.rule) == ("evidence.unfit", "import.limited")


def test_the_document_tells_of_every_reason_and_of_the_table_s_columns() -> None:
    told = (Path(__file__).parents[4] / "docs" / "evidence-files.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(import\.\w+)` \|", told, re.MULTILINE)) == {reason.value for reason in Reason}
    (table,) = re.findall(r"```csv\n(.*?)```", told, re.DOTALL)
    outcome = read(io.BytesIO(table.encode()), a_declaration())
    assert isinstance(outcome, Imported)
    assert [finding.task for finding in outcome.findings] == ["capture_the_flag", "uplift_study"]


def test_reasons_have_one_code_each() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)
    assert all(reason.value.startswith("import.") for reason in Reason)
