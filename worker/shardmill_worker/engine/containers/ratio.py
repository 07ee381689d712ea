"""FFmpeg's way to shorten a fraction."""


def reduced(numerator: int, denominator: int, most: int) -> tuple[int, int]:
    """Return the best approximation whose terms are at most ``most``, by continued fractions.

    It is what ``av_reduce`` of libavutil gives, which is not always what
    ``Fraction.limit_denominator`` gives: both terms have a limit here.

    Args:
        numerator: At least 0.
        denominator: At least 1.
        most: At least 1.
    """
    before, last = (0, 1), (1, 0)
    while denominator:
        whole, rest = divmod(numerator, denominator)
        following = (whole * last[0] + before[0], whole * last[1] + before[1])
        if max(following) > most:
            limits = [(most - b) // a for a, b in zip(last, before, strict=True) if a]
            partial = min(whole, *limits)
            if denominator * (2 * partial * last[1] + before[1]) > numerator * last[1]:
                last = (partial * last[0] + before[0], partial * last[1] + before[1])
            break
        before, last = last, following
        numerator, denominator = denominator, rest
    return last
