"""The system's clock behind the Clock port."""

import time


class SystemClock:
    """Real time."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000
