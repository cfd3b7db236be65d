"""Every refusal that is the gateway's own, by its code; whether a key may be used at all is for whoever issued it to say.

Codes never change and are used once. Where the OpenAI clients already know a word for the situation
(``model_not_found``), the word is theirs; the tree is that of ``kernel/errors.py``, and the HTTP status follows from it
unless the class names its own.
"""

from __future__ import annotations

from typing import ClassVar

from headgate.kernel.errors import Forbidden, Invalid, Limited, NotFound, Unauthenticated, Unavailable


class NoKey(Unauthenticated):
    """The request carries no key."""

    code = "key.missing"


class KeyGone(Forbidden):
    """The key was known, and whoever issued it knows it no more."""

    code = "key.gone"


class ScopeMissing(Forbidden):
    """The stage admits this surface; the key was issued without it."""

    code = "scope.missing"


class ModelNotFound(NotFound):
    """There is no such model, or the caller may not know of it."""

    code = "model_not_found"


class ReleaseCut(Forbidden):
    """The release was cut: nobody has access."""

    code = "release.cut"


class ReleaseWithdrawn(Forbidden):
    """The release was withdrawn."""

    code = "release.withdrawn"


class ReleaseNotServing(Forbidden):
    """The release is in a state that this gateway has not heard of, so it serves nobody."""

    code = "release.not_serving"


class SurfaceUnknown(NotFound):
    """No such way in; what is not known is refused."""

    code = "surface.unknown"


class SurfaceNotAdmitted(Forbidden):
    """The way in exists, and is not open at this stage."""

    code = "surface.not_admitted"


class MethodNotAllowed(Invalid):
    """The path exists, with another method."""

    code = "request.method_not_allowed"
    http_status: ClassVar[int] = 405


class HeldBack(Forbidden):
    """The stage gives this to others of the cohort; this account keeps the access of the stage before until the instant said."""

    code = "stage.held_back"


class CapabilityNotAllowed(Forbidden):
    """The request makes use of a right that this stage does not give."""

    code = "capability.not_allowed"


class OutputTooLong(Forbidden):
    """The request allows the answer to be longer than this stage does."""

    code = "capability.max_output_tokens"


class TooManyTurns(Forbidden):
    """The conversation has more user messages than this stage allows."""

    code = "capability.max_turns"


class InputBlocked(Forbidden):
    """The input screen matched a rule."""

    code = "input.blocked"


class Malformed(Invalid):
    """The body is not one JSON object in UTF-8, or a key stands in it twice."""

    code = "request.malformed"


class WrongType(Invalid):
    """A field that Headgate must read has another type than the API gives it.

    Args:
        message: One sentence: what is wrong with it.
        param: The field.
    """

    code = "request.wrong_type"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message, rule="request body", help="See the API's reference for the field.")
        self.param = param


class WrongContentType(Invalid):
    """The body is not declared as JSON."""

    code = "request.wrong_content_type"
    http_status: ClassVar[int] = 415


class WrongEncoding(Invalid):
    """The body is compressed in a way that is not accepted, or does not decompress."""

    code = "request.wrong_encoding"
    http_status: ClassVar[int] = 415


class TooLarge(Invalid):
    """The body is larger than is accepted, before or after decompression."""

    code = "request.too_large"
    http_status: ClassVar[int] = 413


class TooSlow(Invalid):
    """The client stopped sending its request."""

    code = "request.too_slow"
    http_status: ClassVar[int] = 408


class RequestsExhausted(Limited):
    """All requests of this window are used."""

    code = "limit.requests"


class TokensExhausted(Limited):
    """The tokens left in this window are fewer than this request may need."""

    code = "limit.tokens"


class TotalTokensExhausted(Limited):
    """The tokens left of the whole grant are fewer than this request may need."""

    code = "limit.total_tokens"


class TooManyAtOnce(Limited):
    """As many exchanges are open as may be."""

    code = "limit.concurrency"


class PolicyStale(Unavailable):
    """The system of record has been silent for too long to go on serving a gated model."""

    code = "policy.stale"


class PrincipalsUnavailable(Unavailable):
    """The key cannot be looked up, so it opens nothing."""

    code = "principals.unavailable"


class QuotaUnavailable(Unavailable):
    """The limits cannot be counted, so nothing is admitted under them."""

    code = "quota.unavailable"


class CannotRecord(Unavailable):
    """The admission cannot be recorded, so nothing goes upstream."""

    code = "record.unavailable"


class ScreenUnavailable(Unavailable):
    """The input screen cannot tell, so the request does not go ahead."""

    code = "screen.unavailable"


class Overloaded(Unavailable):
    """This worker carries as much as it can."""

    code = "gateway.overloaded"


class Stopping(Unavailable):
    """This worker is being stopped."""

    code = "gateway.stopping"


class Faulty(Unavailable):
    """Headgate has a fault of its own; the request id leads to it."""

    code = "gateway.fault"
    http_status: ClassVar[int] = 500


class UpstreamFailed(Unavailable):
    """The model server could not be reached, or broke off."""

    code = "upstream.failed"
    http_status: ClassVar[int] = 502


class UpstreamTimeout(Unavailable):
    """The model server was silent for too long."""

    code = "upstream.timeout"
    http_status: ClassVar[int] = 504


class UpstreamGarbage(Unavailable):
    """The model server's answer is not one."""

    code = "upstream.garbage"
    http_status: ClassVar[int] = 502


class ObjectTaken(UpstreamGarbage):
    """The model server gives what it keeps for one caller the identifier of what it keeps for another: nobody's changes hands."""

    code = "upstream.name_taken"


class ObjectsUnavailable(Unavailable):
    """Whose a stored object is cannot be looked up, so nobody is given it."""

    code = "objects.unavailable"


class ObjectNotFound(NotFound):
    """There is no such object, or it is somebody else's; to the caller that is the same."""

    code = "object_not_found"


class OutputBlocked(Forbidden):
    """The output screen stopped the answer."""

    code = "output.blocked"


class FormMalformed(Invalid):
    """The body is not one form, or two readers could each see another form in it."""

    code = "request.malformed_form"


class NoRoom(Unavailable):
    """There is no room on this worker's disk to take in what is uploaded."""

    code = "gateway.no_room"


class RowMalformed(Invalid):
    """A line of an uploaded file is not what its purpose asks for; the message names the line."""

    code = "file.row_malformed"


class RowRefused(Forbidden):
    """A line of an uploaded file asks for what would be refused by itself; the message names the line and the reason's code."""

    code = "file.row_refused"


class ModelsMixed(Invalid):
    """The rows of one batch file name more than one model."""

    code = "file.models_mixed"


class ReleaseUnclear(Invalid):
    """Nothing says which of several releases an upload is for."""

    code = "file.release_unclear"


class PurposeUnknown(Invalid):
    """An upload states no purpose, or one that is not served."""

    code = "file.purpose_unknown"


class NotScanned(Forbidden):
    """The file was not uploaded, and looked at, for this purpose."""

    code = "file.not_scanned"


class FileChanged(Forbidden):
    """What the upstream holds is not what was looked at."""

    code = "file.changed"


class AnswersUnrecorded(Unavailable):
    """The answers of a batch are not on record yet, so nobody is shown them."""

    code = "batch.answers_unrecorded"


class AnswerUnscannable(Forbidden):
    """The answer is of a kind that no screen can read, and this stage shows nothing that was not read."""

    code = "output.unscannable"


class SurfaceNotSpoken(Forbidden):
    """The way in is open at this stage, and the model's server does not speak its API; nothing is translated."""

    code = "surface.not_spoken"


class InputUnscannable(Forbidden):
    """The request holds what no screen can read, and this stage serves nothing that was not read."""

    code = "input.unscannable"
