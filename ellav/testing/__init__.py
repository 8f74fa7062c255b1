"""Contract checks for plugin authors, and the plain meaning of decoding scripts."""

from ellav.testing.codec import check_codec
from ellav.testing.drive import drive
from ellav.testing.ordering import ContractError, check_ordering

__all__ = ["ContractError", "check_codec", "check_ordering", "drive"]
