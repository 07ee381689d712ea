"""Numbers in bits."""


class Bits:
    """Reads numbers from bits; past the end all bits are 0."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        """Return an unsigned number of so many bits."""
        self._left -= count
        if self._left < 0:
            return 0
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb number."""
        zeros = 0
        while self._left > 0 and not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Return a signed Exp-Golomb number."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
