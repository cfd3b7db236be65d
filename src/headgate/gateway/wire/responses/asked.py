"""What the input and the tools of a responses request ask for: rights, turns, and things that an upstream keeps.

A kind of item or part that nobody here has heard of is a right that no stage gives, and so is a tool: whatever is not a function
of the caller's own is run by the upstream. An identifier in a request opens what it names, so each one is found, wherever it
stands; whose it is, is for the door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.surface import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM_ROLES = frozenset({"system", "developer"})
_ROLES = SYSTEM_ROLES | {"user", "assistant"}
_PART_CAPABILITIES = {
    "input_image": "image_input",
    "computer_screenshot": "image_input",
    "input_file": "file_input",
    "input_audio": "audio_input",
}
_TEXT_PARTS = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
_OWN_TOOLS = frozenset({"function", "custom"})
_TOOL_ITEMS = frozenset({"additional_tools", "tool_search_output"})
_PAST_ITEMS = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "reasoning",
        "compaction",
        "compaction_trigger",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "tool_search_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_call",
    }
)
"""What was said and done before; telling it again asks for nothing."""
_NAMES = frozenset({"type", "role", "id", "call_id", "item_id", "status", "detail", "format", "encrypted_content", "fingerprint"})
_ENCODED: Mapping[str, frozenset[str]] = {
    "input_image": frozenset({"image_url", "file_id"}),
    "computer_screenshot": frozenset({"image_url", "file_id"}),
    "input_file": frozenset({"file_data", "file_url", "file_id"}),
    "image_generation_call": frozenset({"result"}),
}
"""Members that are no prose, by the type of what they stand in."""


class Asked:
    """Gathers what the parts of one request ask for.

    Attributes:
        capabilities: Rights.
        references: Things that an upstream keeps, by name.
        turns: User messages.
        media: Images, sounds and files.
        media_bytes: How many bytes of the body they are.
        pictures: Whether the upstream may draw.
    """

    def __init__(self) -> None:
        self.capabilities: set[str] = set()
        self.references: list[Reference] = []
        self.turns = 0
        self.media = 0
        self.media_bytes = 0
        self.pictures = False

    def input(self, value: Any) -> None:
        """Take in ``input``.

        Raises:
            WrongType: It cannot be understood.
        """
        if isinstance(value, str):
            self.turns += 1
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            for index, item in enumerate(items):
                self._item(item, f"input[{index}]")
            if items and kind_of(items[-1]) == "message" and items[-1].get("role") == "assistant":
                self.capabilities.add("prefill")
        elif value is not None:
            raise WrongType("input must be a string or an array.", param="input")

    def tools(self, tools: list[Any] | None, where: str) -> None:
        """Take in a list of tools.

        Raises:
            WrongType: It cannot be understood.
        """
        for index, tool in enumerate(tools or ()):
            param = f"{where}[{index}]"
            if not isinstance(tool, dict):
                raise WrongType(f"{param} must be an object.", param=param)
            members = cast("dict[str, Any]", tool)
            self.capabilities.add("tools" if is_own_tool(members) else "hosted_tools")
            self.pictures = self.pictures or members.get("type") == "image_generation"
            self.refer(ObjectKind.CONTAINER, members.get("container"), f"{param}.container")
            self.named_in(members, param)

    def named_in(self, value: Any, where: str) -> None:
        """Take in the identifiers of files and containers within a value."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, list):
                waiting.extend(cast("list[Any]", item))
            elif isinstance(item, dict):
                members = cast("dict[str, Any]", item)
                self._named(members, where)
                waiting.extend(member for key, member in members.items() if key not in ("annotations", "parameters"))

    def refer(self, kind: ObjectKind | None, name: Any, where: str) -> None:
        """Take in one identifier, where there is one."""
        if isinstance(name, str) and name:
            self.references.append(Reference(kind, name, where))

    def content(self, content: Any, where: str) -> None:
        """Take in the content of a message, or the output of a tool.

        Raises:
            WrongType: It cannot be understood.
        """
        if content is None or isinstance(content, str):
            return
        if not isinstance(content, list):
            raise WrongType(f"{where} must be a string or an array.", param=where)
        for index, part in enumerate(cast("list[Any]", content)):
            self.part(part, f"{where}[{index}]")

    def part(self, part: Any, where: str) -> None:
        """Take in one part of a content.

        Raises:
            WrongType: It cannot be understood.
        """
        if isinstance(part, str):
            return
        kind = cast("dict[str, Any]", part).get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise WrongType(f"{where} must be an object with a type.", param=where)
        if kind not in _TEXT_PARTS:
            self._medium(_PART_CAPABILITIES.get(kind, "other_input"), part)

    def _item(self, item: Any, where: str) -> None:
        if not isinstance(item, dict):
            raise WrongType(f"{where} must be an object.", param=where)
        members = cast("dict[str, Any]", item)
        kind = kind_of(members)
        self.named_in(members, where)
        if kind == "message":
            self._message(members, where)
        elif kind == "item_reference":
            self.capabilities.add("stored")
            self.refer(ObjectKind.RESPONSE_ITEM, members.get("id"), f"{where}.id")
        elif kind not in _PAST_ITEMS:
            self._other(kind, members, where)

    def _other(self, kind: str, members: dict[str, Any], where: str) -> None:
        match kind:
            case "additional_tools" | "tool_search_output":
                self.tools(tools_of(members, where), f"{where}.tools")
            case "configuration_update":
                if wants_format(members.get("text")):
                    self.capabilities.add("response_format")
            case "computer_call_output" | "image_generation_call":
                self._medium("image_input", members)
            case "function_call_output" | "custom_tool_call_output":
                self.content(members.get("output"), f"{where}.output")
            case "mcp_approval_response" | "program" | "program_output":
                self.capabilities.add("hosted_tools")
            case _:
                self.capabilities.add("other_input")

    def _message(self, message: dict[str, Any], where: str) -> None:
        role = message.get("role")
        if not isinstance(role, str):
            raise WrongType(f"{where} must have a role.", param=where)
        if role in SYSTEM_ROLES:
            self.capabilities.add("system_prompt")
        elif role not in _ROLES:
            self.capabilities.add("other_input")
        self.turns += role == "user"
        self.content(message.get("content"), f"{where}.content")

    def _medium(self, capability: str, value: Any) -> None:
        self.capabilities.add(capability)
        self.media += 1
        self.media_bytes += sum(map(len, _every_string(value)))

    def _named(self, members: dict[str, Any], where: str) -> None:
        kind = members.get("type")
        if kind in ("input_image", "input_file", "computer_screenshot"):
            self.refer(ObjectKind.FILE, members.get("file_id"), f"{where}.file_id")
        elif kind in ("auto", "container_auto"):
            for name in _list(members.get("file_ids")):
                self.refer(ObjectKind.FILE, name, f"{where}.file_ids")
        elif kind in ("container_reference", "code_interpreter_call"):
            # The upstream goes on in the container that an earlier call in the input names.
            self.refer(ObjectKind.CONTAINER, members.get("container_id"), f"{where}.container_id")
        elif kind == "image_generation":
            mask: Any = members.get("input_image_mask")
            if isinstance(mask, dict):
                self.refer(ObjectKind.FILE, cast("dict[str, Any]", mask).get("file_id"), f"{where}.input_image_mask.file_id")


def kind_of(item: Any) -> str:
    """Return what kind of item this is; where it does not say so, a role makes a message and an id alone a reference."""
    if not isinstance(item, dict):
        return ""
    members = cast("dict[str, Any]", item)
    kind = members.get("type")
    if kind is None:
        return "item_reference" if "role" not in members and "id" in members else "message"
    return kind if isinstance(kind, str) else ""


def is_own_tool(tool: Any) -> bool:
    """Return whether the caller runs this tool, rather than the upstream; of a namespace, whether that holds for all in it."""
    if not isinstance(tool, dict):
        return False
    members = cast("dict[str, Any]", tool)
    if members.get("type") == "namespace":
        inner = _list(members.get("tools"))
        return bool(inner) and all(
            isinstance(each, dict) and cast("dict[str, Any]", each).get("type") in _OWN_TOOLS for each in inner
        )
    return members.get("type") in _OWN_TOOLS


def brings_own_tools(item: Any) -> bool:
    """Return whether an item of the input brings tools of the caller's along."""
    return kind_of(item) in _TOOL_ITEMS and any(map(is_own_tool, _list(cast("dict[str, Any]", item).get("tools"))))


def tools_of(item: dict[str, Any], where: str) -> list[Any] | None:
    """Return the tools that an item brings along.

    Raises:
        WrongType: They are no array.
    """
    tools: Any = item.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise WrongType(f"{where}.tools must be an array.", param=f"{where}.tools")
    return cast("list[Any] | None", tools)


def wants_format(text: Any) -> bool:
    """Return whether a ``text`` configuration asks for anything but plain text."""
    wanted: Any = cast("dict[str, Any]", text).get("format") if isinstance(text, dict) else None
    if wanted is None:
        return False
    return not (isinstance(wanted, dict) and cast("dict[str, Any]", wanted).get("type") == "text")


def prose(value: Any) -> Iterator[str]:
    """Yield every string that a model would read as prose. Not recursive: depth is the client's choice.

    A name is passed over only where it is a string: a tool may well have a parameter that is called ``id``, with a description.
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend(reversed(cast("list[Any]", item)))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            kind = members.get("type")
            if kind == "input_audio":
                continue
            encoded = _ENCODED.get(kind, frozenset[str]()) if isinstance(kind, str) else frozenset[str]()
            waiting.extend(
                members[key]
                for key in reversed(members)
                if not (isinstance(members[key], str) and (key in _NAMES or key in encoded))
            )


def _every_string(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend(cast("list[Any]", item))
        elif isinstance(item, dict):
            waiting.extend(cast("dict[str, Any]", item).values())


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
