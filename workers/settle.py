"""Receipts: from the spool into the inbox, and to the attempts they speak of (workers/matching.py finds these)."""

from __future__ import annotations

import gc
import logging
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, islice
from pathlib import Path

import psycopg

from campaigns.ledger import receipts
from campaigns.terms import Receipt
from providers.base import Provider
from workers import spool
from workers.house import House, crash_point
from workers.matching import Matcher, write_found, write_places
from workers.spool import Arrived, Places

log = logging.getLogger(__name__)

HELD_MOST = 100_000
"""Events of groups that wait for an answer; above it they wait no longer, or memory would grow."""
LOOK_AGAIN = 0.25
"""Seconds between two looks for the messages of held events."""
FOLD_LATE = 2.0
"""Seconds a chunk may wait for its fold; then the loader slows down (ledger: section 4)."""
SLOW = 1.0
"""Seconds between two segments while the fold is late."""
LOOK_AT_FOLD = 0.2
REMATCH = 2_000
QUIET_ROUNDS = 3
"""Rounds over all unknown ones without a new chunk; a chunk may get its number before its commit."""
CLEAR_EVERY = 60.0
"""Seconds between two looks at loaded segments."""


@dataclass(slots=True)
class Group:
    """What one sync of the spool made durable, until it stands in the inbox."""

    account: str
    at: datetime
    raw: bytes
    size: int  # its events
    events: list[Arrived]  # none as long as all their places are known
    told: list[list[Receipt] | None]  # of each event; None: unreadable
    places: list[Places] = field(default_factory=list)  # of events that are not read: their place is said to be known
    placed: set[int] = field(default_factory=set)  # events that are in the log by such a place
    unknown: dict[int, list[Receipt]] = field(default_factory=dict)  # event -> its receipts without a message yet
    until: float = 0.0  # monotonic; then unknown events are stored as such
    look_at: float = 0.0

    def verdicts(self, unknown: Container[int]) -> list[str]:
        """What became of each event."""
        if len(self.placed) == self.size:
            return ["matched"] * self.size
        return [
            "unreadable"
            if told is None
            else "unknown"
            if at in unknown
            else "matched"
            if told or at in self.placed
            else "ignored"
            for at, told in enumerate(self.told)
        ]


class Settler:
    """Loads and matches receipts; remembers what it needs between rounds."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._folder = house.folder("spool")
        self._matcher = Matcher(house)
        self._providers: dict[str, Provider] = {}
        self._days: set[datetime] = set()
        self._held: dict[Path, list[Group]] = {}  # segments that stay until the last of their groups is stored
        self._held_events = 0
        self._loaded_at = self._fold_seen_at = self._cleared_at = 0.0
        self._fold_late = False
        self._rematched_to = 0
        self._seen: tuple[int, int] = (-1, 0)  # newest chunk, rounds since it is the newest

    # -- from the spool ------------------------------------------------------------------------------------------

    def load(self, *, wait: bool = True) -> int:
        """Take some segments into the inbox and their receipts into the log, in one transaction; how many events.

        Events whose message is not known yet are held for a moment, and their segment with them: the answer is
        on its way to the log. Not `wait`: what is unknown now is stored as unknown.
        """
        gc.disable()  # tens of thousands of tuples that die together: the collector would walk them again and again
        try:
            return self._load(time.monotonic(), wait=wait)
        finally:
            gc.enable()

    def _load(self, now: float, *, wait: bool) -> int:
        new = {path: self._groups(path) for path in self._next(now)}
        due = self._due(now, wait=wait)
        groups = [group for of in new.values() for group in of]
        for group in groups:
            group.until, group.look_at = now + self._house.times.hold, now + LOOK_AGAIN
        if new or due:
            self._store(groups, due, now, wait=wait)
            crash_point("C13")
        self._put_away(new)
        self._clear_away(now)
        return sum(group.size for group in groups)

    def _next(self, now: float) -> list[Path]:
        """Segments for one transaction; few while the fold is late."""
        if self._is_late(now) and now - self._loaded_at < SLOW:
            return []
        waiting = [path for path in spool.ready(self._folder) if path not in self._held]
        if waiting:
            self._loaded_at = now
        if self._fold_late:
            return waiting[:1]
        taken, size = 0, 0
        while taken < len(waiting) and size < spool.SEGMENT_BYTES:
            size += spool.size(waiting[taken])
            taken += 1
        return waiting[:taken]

    def _is_late(self, now: float) -> bool:
        if now - self._fold_seen_at > LOOK_AT_FOLD:
            self._fold_seen_at = now
            with self._house.begin() as conn:
                self._fold_late = receipts.oldest_unfolded(conn) > FOLD_LATE
        return self._fold_late

    def _groups(self, path: Path) -> list[Group]:
        """A segment's groups; none when its writer has just handed it on under its other name."""
        try:
            return [self._read(spool.account_of(path), each) for each in spool.read(path)]
        except FileNotFoundError:
            return []

    def _read(self, account: str, group: spool.Group) -> Group:
        """Translate one group; whatever is wrong with it, it is kept and the others go on."""
        at = datetime.now(UTC)
        try:
            at = receipts.at(group.at)
            size, places = self._known(account, group)
            if size and size == sum(len(each.events) for each in places):
                return Group(account, at, group.raw, size, [], [[]] * size, places)
            events = self._events(account, group.raw)
            told = self._told(account, events, {at for each in places for at in each.events})
        except Exception as error:  # noqa: BLE001 - a file from a disk, keys and settings that may have changed
            log.warning("account %s: receipts that cannot be read: %s", account, type(error).__name__)
            return Group(account, at, group.raw, 1, [b""], [None])
        if None in told:
            log.warning("account %s: %d receipts that cannot be read", account, told.count(None))
        return Group(account, at, group.raw, len(events), events, told, places)

    def _events(self, account: str, raw: bytes) -> list[Arrived]:
        return spool.opened(self._house.keyring.open(raw, account.encode()))

    def _known(self, account: str, group: spool.Group) -> tuple[int, list[Places]]:
        if not group.places:
            return 0, []
        return spool.known(self._house.keyring.open(group.places, account.encode() + spool.PLACES))

    def _told(self, account: str, events: Sequence[Arrived], known: Container[int]) -> list[list[Receipt] | None]:
        """What events say; nothing of those whose place is known."""
        rest = [at for at in range(len(events)) if at not in known]
        said = _printable(self._provider(account).receipts_of([events[at] for at in rest]))
        told: list[list[Receipt] | None] = [[]] * len(events)
        for at, each in zip(rest, said, strict=True):
            told[at] = each
        return told

    def _provider(self, account: str) -> Provider:
        if account not in self._providers:
            self._providers[account] = self._house.build(self._house.accounts[account])
        return self._providers[account]

    # -- into the ledger -----------------------------------------------------------------------------------------

    def _store(self, new: Sequence[Group], due: Sequence[Group], now: float, *, wait: bool) -> None:
        self._open_days(new)
        ending = not wait or self._held_events > HELD_MOST
        unknown: list[dict[int, list[Receipt]]] = []
        groups = [*new, *due]
        with self._house.begin() as conn:
            receipts.prefer_indexes(conn)
            self._place(conn, new)
            unknown = self._match(conn, groups, now, ending=ending)
            done = [
                (group, left)
                for group, left in zip(groups, unknown, strict=True)
                if not left or ending or group.until <= now
            ]
            receipts.store(conn, [row for group, left in done for row in self._rows(group, left)])
        for group, left in zip(groups, unknown, strict=True):
            group.unknown, group.look_at = left, now + LOOK_AGAIN
        for group, _ in done:
            group.until = 0.0

    def _place(self, conn: psycopg.Connection, groups: Sequence[Group]) -> None:
        """Write receipts whose place is known; those of windows that are not here are read, and matched like any."""
        for account in {group.account for group in groups if group.places}:
            mine = [group for group in groups if group.account == account]
            here = write_places(conn, account, [each for group in mine for each in group.places])
            for group in mine:
                group.placed = {at for window, events, _ in group.places if window in here for at in events}
                if len(group.placed) < sum(len(each.events) for each in group.places):
                    self._read_again(group)

    def _read_again(self, group: Group) -> None:
        """What its places say is not true of this database: only what was written is not asked for."""
        try:
            group.events = group.events or self._events(group.account, group.raw)
            group.told = self._told(group.account, group.events, group.placed)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("account %s: receipts that cannot be read: %s", group.account, type(error).__name__)
            group.size, group.events, group.told, group.placed = 1, [b""], [None], set()

    def _match(
        self, conn: psycopg.Connection, groups: Sequence[Group], now: float, *, ending: bool
    ) -> list[dict[int, list[Receipt]]]:
        """Write what is found; of each group the events with receipts that are not."""
        unknown: list[dict[int, list[Receipt]]] = [{} for _ in groups]
        sets: dict[tuple[str, bool], list[int]] = {}
        for n, group in enumerate(groups):
            sets.setdefault((group.account, ending or group.until <= now), []).append(n)
        for (account, last), members in sets.items():
            asked = [_asked(groups[n]) for n in members]
            ends = list(accumulate(len(told) for told in asked))
            wanted = list(chain.from_iterable(asked))
            for at in self._matcher.write(conn, account, wanted, last=last):
                member = bisect_right(ends, at)
                n, place = members[member], at - ends[member] + len(asked[member])
                unknown[n].setdefault(_event_of(groups[n], place), []).append(wanted[at])
        return unknown

    def _rows(self, group: Group, unknown: dict[int, list[Receipt]]) -> list[receipts.InboxRow]:
        """The group as it came when one word holds for all of it; else sealed again by verdict, unknown ones singly."""
        verdicts = group.verdicts(unknown)
        counted = Counter(verdicts)
        if len(verdicts) == 1 or (len(counted) == 1 and not unknown):
            return [(group.account, group.raw, group.at, verdicts[0], len(verdicts))]
        rows = []
        for verdict in counted:
            events = [event for event, its in zip(group.events, verdicts, strict=True) if its == verdict]
            for some in [[event] for event in events] if verdict == "unknown" else [events]:
                raw = self._house.keyring.seal(spool.packed(some), group.account.encode())
                rows.append((group.account, raw, group.at, verdict, len(some)))
        return rows

    def _due(self, now: float, *, wait: bool) -> list[Group]:
        """Held groups whose messages are to be looked for again."""
        return [
            group for of in self._held.values() for group in of if not wait or min(group.until, group.look_at) <= now
        ]

    def _put_away(self, new: dict[Path, list[Group]]) -> None:
        for path, groups in [*self._held.items(), *new.items()]:
            left = [group for group in groups if group.until]
            if left:
                self._held[path] = left
            else:
                self._held.pop(path, None)
                spool.put_away(path)
        self._held_events = sum(group.size for of in self._held.values() for group in of)

    def _clear_away(self, now: float) -> None:
        if now - self._cleared_at > CLEAR_EVERY:
            self._cleared_at = now
            spool.clear_away(self._folder, self._house.settings.spool_keep, self._house.settings.spool_bytes)

    def _open_days(self, groups: Iterable[Group]) -> None:
        """Inbox days are made outside the transaction that fills them."""
        now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = {each.at.replace(hour=0, minute=0, second=0, microsecond=0) for each in groups}
        for day in sorted((wanted | {now, now + timedelta(1)}) - self._days):
            with self._house.begin() as conn:
                receipts.open_day(conn, day.date())
            self._days.add(day)

    # -- unknown ones, later -------------------------------------------------------------------------------------

    def rematch(self) -> int:
        """Try the unknown ones again, some at a time and all in turn; how many found their message."""
        with self._house.begin() as conn:
            if self._nothing_new(conn):
                return 0
            receipts.prefer_indexes(conn)
            rows = receipts.unknown(conn, REMATCH, self._rematched_to)
            self._rematched_to = rows[-1][0] if len(rows) == REMATCH else 0
            found = set()
            asked: dict[str, dict[int, list[Receipt]]] = {}
            for n, (_, at, account, raw) in enumerate(rows):
                told = [each for of in self._read(account, spool.Group(at.timestamp(), raw)).told for each in of or ()]
                asked.setdefault(account, {})[n] = told
            for account, events in asked.items():
                found |= self._found_now(conn, account, events)
            receipts.settle(conn, [(row[0], row[1]) for n, row in enumerate(rows) if n in found])
        return len(found)

    def _nothing_new(self, conn: psycopg.Connection) -> bool:
        """Whether all were looked at since the last chunk came: only an answer can make an unknown one known."""
        if self._rematched_to:
            return False
        newest, rounds = receipts.newest_chunk(conn), self._seen[1] + 1
        self._seen = (newest, rounds if newest == self._seen[0] else 0)
        return self._seen[1] > QUIET_ROUNDS

    def _found_now(self, conn: psycopg.Connection, account: str, events: dict[int, list[Receipt]]) -> set[int]:
        """Events of which each receipt finds its message; only these add lines: the others' known ones have theirs."""
        single = [n for n, told in events.items() if len(told) == 1]
        missing = set(self._matcher.write(conn, account, [events[n][0] for n in single], last=True))
        found = {n for at, n in enumerate(single) if at not in missing}
        several = {n: told for n, told in events.items() if len(told) > 1}
        of = self._matcher.find(conn, account, {each for told in several.values() for each in told})
        whole = {n: told for n, told in several.items() if all(each in of.places for each in told)}
        write_found(conn, chain.from_iterable(whole.values()), of)
        return found | whole.keys()


def _asked(group: Group) -> list[Receipt]:
    """The receipts of a group that look for their message: all at first, then the unknown ones."""
    return list(chain.from_iterable(group.unknown.values() or filter(None, group.told)))


def _event_of(group: Group, place: int) -> int:
    """Which event holds the receipt at this place of `_asked`."""
    told = group.unknown.items() or ((at, of) for at, of in enumerate(group.told) if of)
    return next(islice((at for at, of in told for _ in of), place, None))


def _printable(told: list[list[Receipt] | None]) -> list[list[Receipt] | None]:
    """Events whose ids or codes hold what no log line may hold become unreadable."""
    if _plain(receipt for each in told if each for receipt in each):
        return told
    return [each if each is None or _plain(each) else None for each in told]


def _plain(receipts_: Iterable[Receipt]) -> bool:
    return "".join([each.ref + each.provider_ref + each.code for each in receipts_]).isprintable()
