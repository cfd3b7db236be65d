"""What the parts of a request ask for, and which of it a model reads as prose.

Blocks nest: a tool's result holds images, a document holds blocks. Whatever a block stands in, an image is an image. What a
conversation already holds (calls, results of tools that the server ran, thoughts) asks for nothing by being told again; a kind
of block that nobody has heard of asks for a right that no stage gives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.surface import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEDIA = {"image": "image_input", "document": "file_input", "container_upload": "file_input"}
_TOLD = frozenset(
    {
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "tool_reference",
        "tool_addition",
        "tool_removal",
        "search_result",
        "browser_state",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "advisor_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
        "mcp_tool_listing",
        "compaction",
        "fallback",
    }
)
"""Blocks that are words, or tell again what was said and done."""
TOOL_CHANGES = frozenset({"tool_addition", "tool_removal"})
"""Blocks that change which tools there are from here on."""
_HOLDS_BLOCKS = frozenset({"tool_result", "mcp_tool_result"})
"""Blocks whose ``content`` is again a list of blocks that the client may make up."""
_NO_BLOCKS = frozenset({"input", "citations", "cache_control", "caller", "tool"})
"""Members in which a ``type`` does not make a block."""
_OWN_TOOL = re.compile(r"custom|(?:bash|text_editor|computer|memory|computer_toolset|browser_toolset)_\d{8}")
"""Types of tools that the client itself runs; a type that nobody has heard of may be run by anybody."""
_NAMES = frozenset({"type", "role", "id", "tool_use_id", "cache_control", "media_type", "file_id", "caller", "signature"})
_NAMES_AND_DATA = _NAMES | {"data"}
_SEALED = re.compile(r"encrypted_\w+")
"""Members that only the server which wrote them can read."""
_AT_WILL = frozenset({"input", "input_schema", "input_examples", "schema"})
"""Members that hold any JSON: every key and every string of it is the client's own words."""


class Asked:
    """Gathers what the parts of one request ask for.

    Attributes:
        capabilities: Rights.
        references: Things that an upstream keeps, by name.
        turns: User messages that say something; results of tools are not a turn.
        media: Images and files.
        media_bytes: How many bytes of the body they are.
    """

    def __init__(self) -> None:
        self.capabilities: set[str] = set()
        self.references: list[Reference] = []
        self.turns = 0
        self.media = 0
        self.media_bytes = 0

    def message(self, message: Any, where: str) -> None:
        """Take in a message.

        Raises:
            WrongType: It cannot be understood.
        """
        members = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
        role = members.get("role")
        if not isinstance(role, str):
            raise WrongType(f"{where} must be an object with a role.", param=where)
        content = members.get("content")
        if content is not None and not isinstance(content, str | list):
            raise WrongType(f"{where}.content must be a string or an array.", param=f"{where}.content")
        if role == "user":
            self.turns += _says_something(content)
        elif role != "assistant":
            self.capabilities.add("system_prompt")
        self._blocks(content, f"{where}.content")

    def system(self, system: Any) -> None:
        """Take in the system prompt.

        Raises:
            WrongType: It cannot be understood.
        """
        if system is not None and not isinstance(system, str | list):
            raise WrongType("system must be a string or an array.", param="system")
        if system:
            self.capabilities.add("system_prompt")
            self._blocks(system, "system")

    def tools(self, tools: list[Any] | None, where: str) -> None:
        """Take in a list of tools.

        Raises:
            WrongType: It cannot be understood.
        """
        for index, tool in enumerate(tools or ()):
            self._tool(tool, f"{where}[{index}]")

    def _tool(self, tool: Any, where: str) -> None:
        if not isinstance(tool, dict):
            raise WrongType(f"{where} must be an object.", param=where)
        members = cast("dict[str, Any]", tool)
        self.capabilities.add("tools" if is_own_tool(members) else "hosted_tools")
        if members.get("type") is not None and members.get("model") is not None:
            self.capabilities.add("other_models")  # an adviser: the server asks a model that nobody has admitted

    def _blocks(self, content: Any, where: str) -> None:
        # Each item with whether it stands where a block must stand.
        waiting: list[tuple[Any, bool]] = [(content, True)] if isinstance(content, list) else []
        while waiting:
            item, is_block = waiting.pop()
            if isinstance(item, list):
                waiting.extend((element, is_block) for element in cast("list[Any]", item))
            elif isinstance(item, dict):
                block = cast("dict[str, Any]", item)
                kind = _kind(block)
                if is_block:
                    self._block(block, kind, where)
                elif kind in _MEDIA:
                    self._medium(block, kind)
                self._refer(ObjectKind.FILE, block.get("file_id"), where)
                holds_blocks = kind in _HOLDS_BLOCKS or (kind == "content" and not is_block)
                waiting.extend(
                    (member, key == "content" and holds_blocks)
                    for key, member in block.items()
                    if key not in _NO_BLOCKS and member is not None and not isinstance(member, str)
                )
            elif is_block:
                raise WrongType(f"{where} must hold blocks, which are objects with a type.", param=where)

    def _block(self, block: dict[str, Any], kind: str, where: str) -> None:
        if not kind:
            raise WrongType(f"{where} must hold blocks, which are objects with a type.", param=where)
        if kind in _MEDIA:
            self._medium(block, kind)
        elif kind in TOOL_CHANGES:
            self._change(block.get("tool"), where)
        elif kind not in _TOLD:
            self.capabilities.add("other_input")

    def _medium(self, block: dict[str, Any], kind: str) -> None:
        self.capabilities.add(_MEDIA[kind])
        self.media += 1
        source: Any = block.get("source")
        data: Any = cast("dict[str, Any]", source).get("data") if isinstance(source, dict) else None
        if isinstance(data, str) and cast("dict[str, Any]", source).get("type") != "text":
            self.media_bytes += len(data)

    def _change(self, tool: Any, where: str) -> None:
        """Take in a tool that is added or taken away within the conversation: named, or defined there and then."""
        members = cast("dict[str, Any]", tool) if isinstance(tool, dict) else {}
        match members.get("type"):
            case "tool_reference":
                self.capabilities.add("tools")
            case "tool_definition":
                self._tool(members.get("definition"), where)
            case _:
                self.capabilities.add("hosted_tools")

    def _refer(self, kind: ObjectKind, name: Any, where: str) -> None:
        if isinstance(name, str) and name:
            self.references.append(Reference(kind, name, where))


def _kind(block: dict[str, Any]) -> str:
    """Return a block's type, empty where it has none."""
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


def is_own_tool(tool: dict[str, Any]) -> bool:
    """Return whether the client runs a tool itself; what is not known to be so is the server's."""
    kind = tool.get("type")
    return kind is None or (isinstance(kind, str) and _OWN_TOOL.fullmatch(kind) is not None)


def prose(value: Any) -> Iterator[str]:
    """Yield everything in a part of a request that a model reads as prose: names of things and sealed data are passed over.

    Of members that hold any JSON, keys are yielded too: a model reads both.
    """
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        item, at_will = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend((element, at_will) for element in reversed(cast("list[Any]", item)))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            if at_will:
                for key in reversed(members):
                    waiting += ((members[key], True), (key, True))
            else:
                passed = _passed_over(members)
                waiting.extend(
                    (members[key], key in _AT_WILL)
                    for key in reversed(members)
                    if key not in passed and _SEALED.fullmatch(key) is None
                )


def _passed_over(members: dict[str, Any]) -> frozenset[str]:
    kind = members.get("type")
    # A source says by its type whether its data is an encoded file; a text document's data is text.
    sealed = kind == "redacted_thinking" or (kind == "base64" and "media_type" in members)
    return _NAMES_AND_DATA if sealed else _NAMES


def _says_something(content: Any) -> bool:
    if not isinstance(content, list):
        return True
    blocks = cast("list[Any]", content)
    return not blocks or not all(_is_result(block) for block in blocks)


def _is_result(block: Any) -> bool:
    return isinstance(block, dict) and cast("dict[str, Any]", block).get("type") == "tool_result"
