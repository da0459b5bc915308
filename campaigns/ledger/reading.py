"""Messages with their numbers, one after another, in the order of their numbers in the wave; flat memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from campaigns.ledger.names import BLOCK, block_context, message_table
from campaigns.sealing import CampaignKeys
from campaigns.terms import State

READ = 5000


class Message(NamedTuple):
    """One message as it stands."""

    no: int
    number: int
    carrier: str
    unit: int
    state: State
    attempt: int


def messages(conn: psycopg.Connection, wave: int, keys: CampaignKeys) -> Iterator[Message]:
    """Every message of a wave; a cursor on the server, one sealed block open at a time."""
    numbers = Numbers(conn, wave, keys)
    with conn.cursor(name=f"messages_{wave}") as cur:
        cur.itersize = READ
        # Plan at 1 M rows: all messages by primary key, nothing sorted; 0.7 to 1.2 s.
        cur.execute(
            f"SELECT m.no, c.name, m.unit, m.state, m.attempt FROM {message_table(wave)} m"
            " JOIN carrier c ON c.id = m.carrier ORDER BY m.no"
        )
        for no, carrier, unit, state, attempt in cur:
            yield Message(no, numbers.of(no), carrier, unit, State(state), attempt)


class Numbers:
    """Opens the sealed block of a message, and keeps the last one open."""

    def __init__(self, conn: psycopg.Connection, wave: int, keys: CampaignKeys) -> None:
        self._conn, self._wave, self._keys = conn, wave, keys
        self._block = -1
        self._numbers: array[int] = array("Q")

    def of(self, no: int) -> int:
        """The number of message `no`, as 84912345678."""
        block = no // BLOCK
        if block != self._block:
            row = self._conn.execute(
                "SELECT nonce, ciphertext FROM number_block WHERE wave = %s AND block = %s", (self._wave, block)
            ).fetchone()
            if row is None:
                raise KeyError(block)
            self._numbers = self._keys.open_block(row[0], row[1], block_context(self._wave, block))
            self._block = block
        return self._numbers[no % BLOCK]
