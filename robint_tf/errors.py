"""What the package raises on purpose. Any other exception that leaves it is a bug in it."""


class RobintError(Exception):
    """Base of the family: the message is one line for the user; exit_code: what the command line ends with."""

    exit_code = 1


class InputError(RobintError, ValueError):
    """A value that cannot be used; the message names it, what is allowed and what to do."""

    exit_code = 2


class DataUnavailable(RobintError):
    """A data set is not there, or is damaged, and cannot be got; one line says what, where and what to do."""

    exit_code = 3


class DeviceError(RobintError, RuntimeError):
    """TensorFlow already runs on another device, or with other settings, than those asked for."""


class DivergedError(RobintError, ArithmeticError):
    """The loss became NaN or infinite."""
