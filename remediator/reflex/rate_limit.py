"""Limits how often the same thing is logged: a burst, then a steady rate, with a count of what was suppressed.

Pure: time is an argument, in seconds of any clock. If the clock steps back, messages are admitted, not suppressed.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    held_back: int = 0


class RateLimit(Generic[Key]):
    """Admits a burst of `burst` occurrences of each key, and then one per `interval` seconds."""

    def __init__(self, *, interval: float, burst: int = 1, max_keys: int = 1_000) -> None:
        self._interval = interval
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, key: Key, now: float, *, otherwise: Key | None = None) -> tuple[Key, int] | None:
        """The key to log and how many occurrences the line represents, or None to suppress it.

        If too many keys are known already, a new one counts under the key `otherwise`, if given.
        """
        with self._lock:
            if key not in self._buckets and len(self._buckets) >= self._max_keys:
                self._forget(now)
                if len(self._buckets) >= self._max_keys and otherwise is not None:
                    key = otherwise
            bucket = self._buckets.setdefault(key, _Bucket(self._burst, now))
            self._fill(bucket, now)
            if bucket.tokens < 1:
                bucket.held_back += 1
                return None
            return key, self._take(bucket, 1)

    def due(self, now: float) -> list[tuple[Key, int]]:
        """The keys with suppressed occurrences that may be logged now, each with its count."""
        with self._lock:
            found = []
            for key, bucket in self._buckets.items():
                self._fill(bucket, now)
                if bucket.held_back and bucket.tokens >= 1:
                    found.append((key, self._take(bucket, 0)))
            return found

    def _fill(self, bucket: _Bucket, now: float) -> None:
        elapsed = now - bucket.at
        bucket.tokens = self._burst if elapsed < 0 else min(self._burst, bucket.tokens + elapsed / self._interval)
        bucket.at = now

    def _take(self, bucket: _Bucket, this: int) -> int:
        count, bucket.held_back = bucket.held_back + this, 0
        bucket.tokens -= 1
        return count

    def _forget(self, now: float) -> None:
        """Drop keys without suppressed occurrences whose burst is available again."""
        for key, bucket in list(self._buckets.items()):
            self._fill(bucket, now)
            if not bucket.held_back and bucket.tokens >= self._burst:
                del self._buckets[key]
