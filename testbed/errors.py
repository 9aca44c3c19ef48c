"""What can go wrong on a testbed, as one tree.

    FedprobeError                exit 1
    ├── UsageError               exit 2   a file, option or name the user can correct
    │   ├── ProfileError                  a link profile that cannot be meant
    │   └── InventoryError                an inventory that cannot be meant
    ├── MissingCapabilityError   exit 1   a program, a kernel feature or a privilege is absent
    │   └── NeedsRootError                root is: an ordinary user may be root in namespaces of his own
    ├── EmulationError           exit 1   the kernel did not do what was asked
    ├── OwnershipError           exit 1   the testbed belongs to somebody else
    ├── WheelhouseError          exit 1   wheels for the hosts cannot be had
    └── RemoteError              exit 1   a host could not be reached or refused
        ├── UnknownHostKeyError
        ├── WrongHostKeyError
        ├── LoginRefusedError
        ├── UnreachableError
        ├── RemoteTimeoutError
        ├── KeyFileError
        ├── SudoRefusedError
        ├── DigestError
        ├── ProvisionError
        └── HostsFailedError

A message names the fact, the cause and the next step; the command line prints it and adds nothing.
"""


class FedprobeError(Exception):
    """Base of every error that ends a command; `exit_code` is what the command exits with."""

    exit_code: int = 1


class UsageError(FedprobeError):
    """The input is wrong and the user can correct it."""

    exit_code = 2


class ProfileError(UsageError):
    """A link profile holds a value that no link can have."""


class InventoryError(UsageError):
    """An inventory file is missing, malformed or names an unknown key."""


class MissingCapabilityError(FedprobeError):
    """This machine lacks a program, a kernel feature or a privilege."""


class NeedsRootError(MissingCapabilityError):
    """This command is root's; `testbed.emulation.rootless` may run it again where the user is root."""


class EmulationError(FedprobeError):
    """The kernel refused a setting, or reads back another one than was asked."""


class OwnershipError(FedprobeError):
    """The testbed is in use by a live run or is held by somebody else."""


class RemoteError(FedprobeError):
    """A host could not be used over SSH."""


class UnknownHostKeyError(RemoteError):
    """The host's key is not in the testbed's known_hosts."""


class WrongHostKeyError(RemoteError):
    """The host's key differs from the one in known_hosts."""


class LoginRefusedError(RemoteError):
    """The host did not accept the controller's key, or there is none to offer."""


class UnreachableError(RemoteError):
    """No SSH service answered at the host's address."""


class RemoteTimeoutError(RemoteError):
    """The host did not answer, or a command did not end, in time."""


class KeyFileError(RemoteError):
    """The private key's file cannot be read, is no private key or has a passphrase."""


class SudoRefusedError(RemoteError):
    """A command needs root on a host, and sudo does not give it without a password."""


class DigestError(RemoteError):
    """A file arrived with other content than was sent."""


class HostsFailedError(RemoteError):
    """Some of several hosts failed; the others went to their end."""


class ProvisionError(RemoteError):
    """A host cannot be made ready."""


class WheelhouseError(FedprobeError):
    """The wheels that hosts need cannot be built, downloaded or used."""
