"""The freshness of commands, one `Link` for each client: tick echo, sequence numbers, rate cap.

Every state message carries a tick, and every command the newest tick that its sender has received. A command is as old
as that tick. So a burst that a radio or a hung page has held back is old at its arrival, independent of the time of
arrival and of the phone's clock. `arbiter.py` decides which client may drive.

Ticks are random numbers, not a count: a sender cannot have a tick before it has received the state. The caller draws
them, so that this module stays predictable.

Laws: a tick that was not sent to this connection, or longer ago than the timeout, is stale, and nothing is
concluded from its value; `seq` rises; a message that is refused, here or by the drive, does not use up its `seq`.
"""

from __future__ import annotations

from collections import deque

RATE_PER_S = 100
SLOT_S = 0.1  # a burst of any size is fine; too much is a second in which every slot is too full
SLOT_MESSAGES = int(RATE_PER_S * SLOT_S)


class Link:
    """The freshness of one connection.

    Args:
        timeout_s: age at which a tick is stale (`command_timeout_s`).

    `speed` is the cap of a driver with this link, a share of `max_speed`.
    """

    speed = 1.0

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._sent: dict[int, float] = {}  # tick -> when it was sent, the oldest first
        self._confirmed_seq = -1
        self._pending: deque[int] = deque()  # accepted here, not yet by the drive
        self.stale = 0

    def sent(self, tick: int, now: float) -> None:
        """Record that the state with this tick is sent now."""
        for old, sent_at in list(self._sent.items()):
            if now - sent_at <= self.timeout_s:
                break
            del self._sent[old]
        self._sent.pop(tick, None)  # sent a second time, it is the newest
        self._sent[tick] = now

    def sent_at(self, tick: int, now: float) -> float | None:
        """Return when this tick was sent. A stale tick, too old or never sent, is counted and gives None."""
        sent_at = self._sent.get(tick)
        if sent_at is not None and now - sent_at <= self.timeout_s:
            return sent_at
        self.stale += 1
        return None

    def in_order(self, seq: int) -> bool:
        """Return whether `seq` is higher than all accepted ones."""
        return seq > (self._pending[-1] if self._pending else self._confirmed_seq)

    def accept(self, seq: int) -> None:
        """Record that the command was sent to the drive."""
        self._pending.append(seq)

    def settle(self, seq: int, refused: bool) -> None:
        """Record the drive's answer to an accepted `seq`; answers arrive in the order of the commands."""
        self._pending.popleft()
        if not refused:
            self._confirmed_seq = seq


class RateCap:
    """Allows bursts of any size, and 100 messages a second for good.

    Time is cut into slots of 0.1 s. When each slot of a whole second held more than a tenth of the rate,
    only a tenth is let through in each slot that follows, until one stays below.
    """

    def __init__(self) -> None:
        self._slot = -1
        self._count = 0
        self._hot_slots = 0

    def allows(self, now: float) -> bool:
        """Count one message. Returns whether it is within the cap."""
        slot = int(now / SLOT_S)
        if slot != self._slot:
            followed_on = slot == self._slot + 1 and self._count > SLOT_MESSAGES
            self._hot_slots = self._hot_slots + 1 if followed_on else 0
            self._slot, self._count = slot, 0
        self._count += 1
        return self._hot_slots < 1 / SLOT_S or self._count <= SLOT_MESSAGES
