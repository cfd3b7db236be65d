"""Every way in which access is refused, each with a code that never changes and, where there is one, a way on.

The order in which a key's standing is judged is ``decide.must_be_usable``'s; this file says only what each answer means.
A key that nobody knows is 401 to a client; a key that is known and may not is 403, so that no SDK tries it again.
"""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Refused, Stale, Unauthenticated, Unavailable


class AccessStoreUnavailable(Unavailable):
    """The database is locked, full or gone; nothing was changed."""

    code = "access.store_unavailable"


class AccessMoved(Stale):
    """Somebody else changed the same row first; look again, then decide again."""

    code = "access.moved"


class ReasonInvalid(Invalid):
    """A reason is missing, too long, or holds what must not stand on the ledger: an e-mail address or a credential."""

    code = "access.reason_invalid"


class OrganisationNotFound(NotFound):
    """There is no such organisation."""

    code = "organisation.not_found"


class OrganisationInvalid(Invalid):
    """The organisation as described cannot be."""

    code = "organisation.invalid"


class OrganisationSuspended(Refused):
    """The organisation is suspended, and with it every account that belongs to it."""

    code = "organisation.suspended"


class OrganisationMoveIllegal(Refused):
    """The organisation is not in a state from which this can be done."""

    code = "organisation.illegal_move"


class AccountNotFound(NotFound):
    """There is no such account."""

    code = "account.not_found"


class AccountInvalid(Invalid):
    """The account as described cannot be."""

    code = "account.invalid"


class AccountDuplicate(Refused):
    """An open account with this e-mail address exists."""

    code = "account.duplicate"


class AccountSuspended(Refused):
    """The account is suspended, and with it every grant and key."""

    code = "account.suspended"


class AccountClosed(Refused):
    """The account is closed for good."""

    code = "account.closed"


class AccountMoveIllegal(Refused):
    """The account is not in a state from which this can be done."""

    code = "account.illegal_move"


class CohortNotFound(NotFound):
    """There is no such cohort."""

    code = "cohort.not_found"


class CohortInvalid(Invalid):
    """The cohort as described cannot be."""

    code = "cohort.invalid"


class CohortExists(Refused):
    """A cohort with this name exists."""

    code = "cohort.exists"


class CohortFrozen(Refused):
    """The cohort takes nobody in at present."""

    code = "cohort.frozen"


class GrantNotFound(NotFound):
    """There is no such grant."""

    code = "grant.not_found"


class GrantInvalid(Invalid):
    """The grant as described cannot be."""

    code = "grant.invalid"


class GrantNoSeat(Refused):
    """Every seat of the cohort is taken."""

    code = "grant.no_seat"


class GrantDuplicate(Refused):
    """The account already holds a grant in this cohort."""

    code = "grant.duplicate"


class GrantMissing(Refused):
    """The key's grant is in no cohort that this is open to."""

    code = "grant.missing"


class GrantNotStarted(Refused):
    """The seat's first day has not come."""

    code = "grant.not_started"


class GrantExpired(Refused):
    """The seat's end date has passed; renewing it is a new decision."""

    code = "grant.expired"


class GrantEnded(Refused):
    """The seat was taken back before its end date."""

    code = "grant.ended"


class GrantPaused(Refused):
    """The seat is paused; it is kept, and nothing passes."""

    code = "grant.paused"


class GrantMoveIllegal(Refused):
    """The grant is not in a state from which this can be done."""

    code = "grant.illegal_move"


class TermsNotAccepted(Refused):
    """The holder has not accepted any version of the cohort's terms yet."""

    code = "terms.not_accepted"


class TermsOutdated(Refused):
    """The terms have changed, and the time for accepting the new ones has run out."""

    code = "terms.outdated"


class TermsSuperseded(Stale):
    """The version accepted is not the version in force."""

    code = "terms.superseded"


class KeyMalformed(Unauthenticated):
    """The text is not a key: a character is missing, added or mistyped. No store was asked."""

    code = "key.malformed"


class KeyWrongEnvironment(Unauthenticated):
    """The key belongs to another installation."""

    code = "key.wrong_environment"


class KeyUnknown(Unauthenticated):
    """Nobody holds this key."""

    code = "key.unknown"


class KeyRevoked(Refused):
    """The key was revoked."""

    code = "key.revoked"


class KeyQuarantined(Refused):
    """The key was seen where it should not be, or lay unused too long; it never comes back."""

    code = "key.quarantined"


class KeyExpired(Refused):
    """The key's own end date has passed."""

    code = "key.expired"


class KeyReplaced(Refused):
    """The key was rotated, and its overlap with its successor is over."""

    code = "key.replaced"


class KeyWrongNetwork(Refused):
    """The key may not be used from this network."""

    code = "key.wrong_network"


class KeyLacksScope(Refused):
    """The key was issued for other surfaces than this one."""

    code = "key.lacks_scope"


class KeyNotFound(NotFound):
    """There is no key with this identifier."""

    code = "key.not_found"


class KeyInvalid(Invalid):
    """The key as described cannot be issued."""

    code = "key.invalid"


class KeyMoveIllegal(Refused):
    """The key is not in a state from which this can be done."""

    code = "key.illegal_move"


class LeakReportInvalid(Invalid):
    """The report cannot be read, or is too large; what it says of a key plays no part."""

    code = "leak.invalid"


class StaffTokenMalformed(Unauthenticated):
    """The text is not a staff token. No store was asked."""

    code = "staff.token_malformed"


class StaffTokenUnknown(Unauthenticated):
    """Nobody holds this staff token."""

    code = "staff.token_unknown"


class StaffTokenExpired(Unauthenticated):
    """The staff token's end date has passed."""

    code = "staff.token_expired"


class StaffRevoked(Refused):
    """The member of staff was revoked."""

    code = "staff.revoked"


class StaffNotFound(NotFound):
    """There is no such member of staff."""

    code = "staff.not_found"


class StaffInvalid(Invalid):
    """The member of staff as described cannot be."""

    code = "staff.invalid"


class StaffExists(Refused):
    """There is staff already; only the first is made without anybody's permission."""

    code = "staff.exists"


class StaffLastAdmin(Refused):
    """Nobody would be left who may manage staff."""

    code = "staff.last_admin"


class LastWayIn(Refused):
    """It is the last passkey, or account at a provider, of the only one who may manage staff."""

    code = "staff.last_way_in"


class LinkMalformed(Unauthenticated):
    """The text is not a sign-in link. No store was asked."""

    code = "link.malformed"


class LinkUnusable(Unauthenticated):
    """The sign-in link is not known, was used, or is too old."""

    code = "link.unusable"


class SessionMalformed(Unauthenticated):
    """The text is not a session. No store was asked."""

    code = "session.malformed"


class SessionOver(Unauthenticated):
    """The session is not known, or has ended: by its holder, by idleness, by age, or with its holder's credentials."""

    code = "session.over"


class SessionNotFound(NotFound):
    """There is no such session of this member of staff, or it has ended."""

    code = "session.not_found"


class VerificationDue(Refused):
    """A dangerous command asks that its author has proved within the last minutes that it is they."""

    code = "session.verification_due"


class Forged(Refused):
    """The request does not come from a page of this console that was given to this session."""

    code = "session.forged"


class AttemptOver(Unauthenticated):
    """What was begun here is not known any more: it was finished, took too long, or belongs to another browser."""

    code = "attempt.over"


class PasskeyRefused(Unauthenticated):
    """What was shown is not the answer of a passkey that is known here, or its holder was not verified by it."""

    code = "passkey.refused"


class PasskeyCopied(Unauthenticated):
    """A passkey counts its uses, and this one has counted backwards: there are two of it. It was removed."""

    code = "passkey.copied"


class PasskeyInvalid(Invalid):
    """The passkey cannot be added as described."""

    code = "passkey.invalid"


class PasskeyNotFound(NotFound):
    """There is no such passkey."""

    code = "passkey.not_found"


class IdentityUnknown(Unauthenticated):
    """The provider knows who this is, and nobody here is linked with them."""

    code = "identity.unknown"


class IdentityTaken(Refused):
    """The provider's account is linked with a member of staff already."""

    code = "identity.taken"


class IdentityInvalid(Invalid):
    """This cannot be an account at a provider."""

    code = "identity.invalid"


class IdentityNotFound(NotFound):
    """There is no such link with a provider."""

    code = "identity.not_found"


class ProviderRefused(Unauthenticated):
    """The provider did not say who this is, or what it said does not hold."""

    code = "provider.refused"


class ProviderUnavailable(Unavailable):
    """The provider does not answer, or not as OpenID providers do."""

    code = "provider.unavailable"


class ProviderNotSet(NotFound):
    """No provider is set for this installation."""

    code = "provider.not_set"
