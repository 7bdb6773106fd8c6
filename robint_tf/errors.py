"""What the package raises on purpose. Any other exception that leaves it is a bug in it."""


class RobintError(Exception):
    """Base of the family: args: the message, one line for the user; exit_code: what the command line ends with.

    argument: name of the argument that helps where another value is given for it, such as `data_dir`.
    """

    exit_code = 1

    def __init__(self, *args: object, argument: str | None = None) -> None:
        super().__init__(*args)
        self.argument = argument


class InputError(RobintError, ValueError):
    """A value that cannot be used; the message names it, what is allowed and what to do."""

    exit_code = 2


class DataUnavailable(RobintError):
    """A data set is not there, or is damaged, and cannot be got; args: one line that says what, where and what to do.

    dataset: its name, where a download gives it; None where that would not help.
    """

    exit_code = 3

    def __init__(self, *args: object, dataset: str | None = None) -> None:
        super().__init__(*args)
        self.dataset = dataset


class NetworkMissing(InputError):
    """There is no network in a file; args: the message; path: of the file."""

    def __init__(self, *args: object, path: object = None) -> None:
        super().__init__(*args)
        self.path = path


class DeviceError(RobintError, RuntimeError):
    """The device does not compute, or TensorFlow already runs on another or with other settings than asked for."""


class DivergedError(RobintError, ArithmeticError):
    """The loss became NaN or infinite."""
