"""Every error the embedded switch raises, in one tree, so that a server can map each to a status code."""


class P4SwitchError(Exception):
    """Root of all errors of the embedded P4 switch."""


class ProgramError(P4SwitchError):
    """The JSON cannot be run by this switch; the text names the construct and what would be right."""


class StateError(P4SwitchError):
    """A control plane's read or write was refused; subclasses carry the name of the matching gRPC code."""

    code = "UNKNOWN"


class AlreadyExists(StateError):
    """An insert named something that is already there."""

    code = "ALREADY_EXISTS"


class NotFound(StateError):
    """The table, entry, member, group, session or index is not there."""

    code = "NOT_FOUND"


class ResourceExhausted(StateError):
    """The table, profile or array is full."""

    code = "RESOURCE_EXHAUSTED"


class InvalidArgument(StateError):
    """The value does not fit what it is written to: width, mask, arity, unknown action, bad reference."""

    code = "INVALID_ARGUMENT"


class OutOfRange(StateError):
    """The index is outside the array."""

    code = "OUT_OF_RANGE"


class PermissionDenied(StateError):
    """The program declares this const."""

    code = "PERMISSION_DENIED"


class FailedPrecondition(StateError):
    """Something else still refers to it, such as a group to a member that is to be deleted."""

    code = "FAILED_PRECONDITION"
