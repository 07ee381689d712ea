"""Every error shardmill raises on purpose.

ShardmillError
├── UsageError                what was asked cannot be: exit code 2
│   ├── InvalidSpec           an impossible spec
│   ├── InvalidInput          the input is missing, empty or no directory
│   ├── InvalidAnnotations    a file of annotations or of classes cannot be used
│   └── OutputConflict        the output directory holds something else
├── WrongState                a job is not in a state for this: done already, for instance
├── EnvironmentFault          this machine or a service cannot do it now: exit code 1, a job pauses
│   └── LedgerUnavailable     Redis does not answer: nothing can be said, not even a pause
├── InvalidMessage            what came over the queue is not ours
├── DatasetDamaged            the output directory contradicts itself
├── Skip                      one input file has nothing to extract: a manifest row ``skipped``
└── ItemError                 one input file cannot be used: a manifest row, never the end of a job
    ├── Unreadable  Unsupported  Corrupt  Empty  Encrypted  TooLarge  Forbidden  ChangedInput
    ├── DecoderCrash  ItemTimeout  ItemMemory      (worth one more try)
    └── InternalError         a bug of ours
"""

from errno import EACCES, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM
from typing import ClassVar, Final

MORE_MEMORY: Final = "give the process more memory (the container's limit, ulimit -v), then go on"
"""What to do where memory is short."""


class ShardmillError(Exception):
    """Base of every error that shardmill raises on purpose."""


class UsageError(ShardmillError, ValueError):
    """What was asked cannot be done as asked; asking again changes nothing."""


class InvalidSpec(UsageError):
    """The spec contradicts itself or leaves the possible range."""


class InvalidInput(UsageError):
    """The input directory is missing, empty, or is no directory."""


class InvalidAnnotations(UsageError):
    """A file of annotations or classes cannot be used, or has a bad line and none is allowed."""


class OutputConflict(UsageError):
    """The output directory holds another spec's work or belongs to a running job."""


class WrongState(ShardmillError, RuntimeError):
    """The job is not in a state in which this can be done to it."""


class EnvironmentFault(ShardmillError, OSError):
    """This machine or a service cannot do it now: disk full, mount gone, Redis away.

    Nothing is wrong with the items at hand: the job pauses and no attempt is charged.
    """


ITEM_ERRNOS: Final = frozenset({ENOENT, EACCES, EPERM, ENAMETOOLONG, ELOOP, ENOTDIR, EISDIR})
"""What the system may say of one file; all else it says of the machine: no descriptors, no memory,
a drive that fails or is away."""


def is_of_machine(error: OSError) -> bool:
    """Tell whether an error of opening or reading a file is no fault of the file."""
    return error.errno is not None and error.errno not in ITEM_ERRNOS


class LedgerUnavailable(EnvironmentFault):
    """Redis does not answer, or refuses."""


class InvalidMessage(ShardmillError, ValueError):
    """A queue message or a ledger entry has not the agreed form."""


class DatasetDamaged(ShardmillError, ValueError):
    """Shards, index and manifest of an output directory contradict each other."""


class Skip(ShardmillError):
    """The file is sound but holds nothing to extract, audio alone for instance."""


class ItemError(ShardmillError):
    """One input file cannot be used; the job goes on without it.

    Attributes:
        error_class: The name in the manifest and on the command line.
        remedy: What a user can do, one sentence.
        worth_retrying: True if a fresh decoder may succeed where this one failed.
    """

    error_class: ClassVar[str] = "internal"
    remedy: ClassVar[str] = ""
    worth_retrying: ClassVar[bool] = False


class Unreadable(ItemError, OSError):
    """The file cannot be opened or read."""

    error_class = "unreadable"
    remedy = "Check that the file exists and may be read by the workers, then retry."


class Unsupported(ItemError, ValueError):
    """No decoder here understands the file."""

    error_class = "unsupported"
    remedy = "Convert the file to a common format, or exclude it with --exclude."


class Corrupt(ItemError, ValueError):
    """The file is damaged or is not what its name says."""

    error_class = "corrupt"
    remedy = "Fetch the file again, or keep the frames before its damage with --keep-partial."


InvalidMedia = Corrupt
"""The name used where times or sizes, not bytes, are impossible."""


class Empty(ItemError, ValueError):
    """The file holds no frame."""

    error_class = "empty"
    remedy = "Fetch the file again, or exclude it with --exclude."


class Encrypted(ItemError, ValueError):
    """The file needs a key."""

    error_class = "encrypted"
    remedy = "Decrypt the file first."


class TooLarge(ItemError, ValueError):
    """The picture or the work is beyond the limits of one item."""

    error_class = "too_large"
    remedy = "Scale the file down first, or exclude it with --exclude."


class Forbidden(ItemError, PermissionError):
    """Opening the file would touch something else: refused for safety."""

    error_class = "forbidden"
    remedy = "Look at the file before you trust it: it points to other files or addresses."


class ChangedInput(ItemError, RuntimeError):
    """The file changed while it was read."""

    error_class = "changed"
    remedy = "Run the same command again when nothing writes to the input any more."


class DecoderCrash(ItemError, RuntimeError):
    """The file ended its decoder process."""

    error_class = "crash"
    remedy = "The file is likely damaged; fetch it again, or exclude it with --exclude."
    worth_retrying = True


class ItemTimeout(ItemError, TimeoutError):
    """The file took longer than its limit."""

    error_class = "timeout"
    remedy = "Allow more time with --item-timeout, then retry."
    worth_retrying = True


class ItemMemory(ItemError, MemoryError):
    """The file needed more memory than its limit."""

    error_class = "memory"
    remedy = "Allow more memory with --item-memory, then retry."
    worth_retrying = True


class InternalError(ItemError, RuntimeError):
    """shardmill met something it should have foreseen."""

    error_class = "internal"
    remedy = "This is a bug: please report it with the message above."


ITEM_ERRORS: Final[dict[str, type[ItemError]]] = {
    kind.error_class: kind
    for kind in (
        *(Unreadable, Unsupported, Corrupt, Empty, Encrypted, TooLarge, Forbidden, ChangedInput),
        *(DecoderCrash, ItemTimeout, ItemMemory, InternalError),
    )
}
"""Error class name to type: the whole list a manifest row may name."""
