"""The link under stress: window, silence, loss, strange answers and a slow receipt store."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

import pytest

from campaigns.terms import Callback, Outcome
from providers import smpp_link
from providers import smpp_pdu as wire
from providers.errors import Unreachable
from providers.smpp import Smpp
from tests.providers.gates import Gate, window
from tests.providers.scripted_smsc import SECRET, agree, bound, collect, said


def test_the_window_is_never_exceeded() -> None:
    """At most `window` PDUs are unanswered, counted in parts, while several sends overlap."""

    async def run() -> None:
        waiting: list[int] = []
        peaks: list[int] = []

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command != wire.SUBMIT_SM:
                return agree(command, sequence, body)
            if not waiting:
                asyncio.get_running_loop().call_later(0.005, answer)
            waiting.append(sequence)
            peaks.append(len(waiting))
            return b""

        def answer() -> None:
            peer.writer.write(b"".join(said(wire.SUBMIT_SM_RESP, sequence, 0, b"1\0") for sequence in waiting))
            waiting.clear()

        async with bound(script, window=7, long_text="udh", response_timeout=5) as (provider, peer, _):
            runs = await asyncio.gather(*(collect(provider, 12, "chống mua bán người " * 6) for _ in range(3)))
        assert max(peaks) == 6
        assert [len(answers) for answers, _ in runs] == [12, 12, 12]
        assert {answer.outcome for answers, _ in runs for answer in answers} == {Outcome.ACCEPTED}

    asyncio.run(run())


@pytest.mark.parametrize(
    "ending",
    [
        None,  # cut
        said(wire.UNBIND, 9),
        struct.pack(">4I", 7, 0, 0, 0),  # a length no PDU has
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_a_lost_link_leaves_the_wire_uncertain_and_the_rest_unsent(ending: bytes | None) -> None:
    """F35: cut, unbound or talked nonsense to, what was on the wire is uncertain and the rest was never taken."""

    async def run() -> None:
        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command == wire.SUBMIT_SM and peer.submits > 4:
                return ending
            return agree(command, sequence, body)

        async with bound(script, window=8) as (provider, peer, _):
            answers, ended = await collect(provider, 100)
            assert isinstance(ended, Unreachable)
            outcomes = [answer.outcome for answer in answers]
            assert outcomes.count(Outcome.ACCEPTED) == 4
            assert {answer.code for answer in answers if answer.outcome < Outcome.ACCEPTED} == {"~link"}
            assert 1 <= outcomes.count(Outcome.UNCERTAIN) <= 8
            assert peer.submits <= len(answers) - outcomes.count(Outcome.NOT_SENT) <= 12
            peer.script = agree
            again, ended = await collect(provider)
            assert ended is None
            assert {answer.outcome for answer in again} == {Outcome.ACCEPTED}

    asyncio.run(run())


def test_a_full_window_answered_in_one_read_counts_whole_before_the_link_falls() -> None:
    """1,000 answers, then nonsense or the end, in the same bytes: each answer counts, dealt with in pieces."""

    async def run(ending: bytes) -> None:
        waiting: list[int] = []

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command != wire.SUBMIT_SM:
                return agree(command, sequence, body)
            waiting.append(sequence)
            if len(waiting) < 1_000:
                return b""
            peer.writer.write(b"".join(said(wire.SUBMIT_SM_RESP, each, 0, b"1\0") for each in waiting) + ending)
            return b"" if ending else None

        async with bound(script, window=1_000, response_timeout=5) as (provider, peer, _):
            answers, ended = await collect(provider, 1_500, stop=1_000 + 100)
            assert isinstance(ended, Unreachable)
            outcomes = [answer.outcome for answer in answers[:1_000]]
            assert outcomes == [Outcome.ACCEPTED] * 1_000
            assert all(answer.outcome < Outcome.ACCEPTED for answer in answers[1_000:])

    for ending in (struct.pack(">4I", 7, 0, 0, 0), b""):
        asyncio.run(run(ending))


def test_what_answers_make_room_for_leaves_before_they_are_all_dealt_with() -> None:
    """The window is filled again piece by piece: a round of a full window does not wait for its last answer."""

    async def run() -> None:
        waiting: list[int] = []

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command != wire.SUBMIT_SM:
                return agree(command, sequence, body)
            waiting.append(sequence)
            if len(waiting) == 1_000:
                peer.writer.write(b"".join(said(wire.SUBMIT_SM_RESP, each, 0, b"1\0") for each in waiting))
                waiting.clear()
            return b""

        async with bound(script, window=1_000, response_timeout=5) as (provider, peer, _):
            work = window([84900000000 + n for n in range(2_000)], "xin chào", lo=100)
            gate = Gate(work)
            sizes = [len(answers) async for answers in provider.send(work, gate)]
            assert sum(sizes) == 2_000
            assert len(gate.taken) > 2  # two: the whole window at once, twice

    asyncio.run(run())


def test_taken_from_the_gate_after_the_link_fell_is_not_sent() -> None:
    """Indexes that the gate gave while the connection was already gone are proved unsent, not uncertain."""

    async def run() -> None:
        async with bound(agree) as (provider, peer, _):
            work = window([84900000001, 84900000002], "xin chào")
            gate = Gate(work)
            gate.open.clear()
            sending = asyncio.ensure_future(anext(provider.send(work, gate)))
            await asyncio.sleep(0)
            peer.writer.transport.abort()
            assert provider._link is not None
            await provider._link.down.wait()
            gate.open.set()
            assert [answer[:3] for answer in await sending] == [(0, 2, "~link"), (1, 2, "~link")]

    asyncio.run(run())


def test_strange_answers_are_counted_and_ignored() -> None:
    """F36: a repeated, a foreign and a late answer change nothing; each is counted."""

    async def run() -> None:
        late: list[int] = []

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command != wire.SUBMIT_SM:
                return agree(command, sequence, body)
            if peer.submits == 1:
                late.append(sequence)
                return b""
            taken = said(wire.SUBMIT_SM_RESP, sequence, 0, b"1\0")
            return taken + taken + said(wire.SUBMIT_SM_RESP, sequence + 10_000, 0, b"1\0")

        async with bound(script) as (provider, peer, _):
            answers, ended = await collect(provider)
            assert ended is None
            assert min(answer[:3] for answer in answers) == (100, Outcome.UNCERTAIN, "~timeout")
            assert [answer.outcome for answer in answers].count(Outcome.ACCEPTED) == 9
            peer.writer.write(said(wire.SUBMIT_SM_RESP, late[0], 0, b"1\0") + said(wire.ENQUIRE_LINK, 5))
            await peer.until(lambda: wire.ENQUIRE_LINK_RESP in peer.seen)
            assert provider.strays == 9 + 9 + 1

    asyncio.run(run())


def test_silence_is_asked_after_and_then_cut() -> None:
    """A carrier that says nothing is sent enquire_link; one that does not answer it is given up."""

    async def run() -> None:
        quick = {"enquire_every": 0.05, "response_timeout": 0.1}
        async with bound(lambda *_: b"", **quick) as (provider, peer, _):
            assert provider._link is not None
            await asyncio.wait_for(provider._link.down.wait(), 5)
            assert wire.ENQUIRE_LINK in peer.seen
        async with bound(agree, **quick) as (provider, peer, _):
            await peer.until(lambda: peer.seen.count(wire.ENQUIRE_LINK) > 3)
            assert provider._link is not None
            assert not provider._link.down.is_set()

    asyncio.run(run())


def test_a_black_hole_costs_one_window() -> None:
    """F35: when a carrier falls silent under load, no more than one window of messages becomes uncertain."""

    async def run() -> None:
        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            return b"" if peer.submits > 10 else agree(command, sequence, body)

        async with bound(script, window=20, response_timeout=0.1) as (provider, peer, _):
            answers, ended = await collect(provider, 500)
        assert isinstance(ended, Unreachable)
        outcomes = [answer.outcome for answer in answers]
        assert outcomes.count(Outcome.ACCEPTED) == 10
        assert 0 < outcomes.count(Outcome.UNCERTAIN) <= 20

    asyncio.run(run())


def test_a_bind_without_end_is_unreachable() -> None:
    """A peer that hangs up during the bind, or never answers it, is tried again later."""

    async def run() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async def sink(_: Sequence[Callback | bytes]) -> None: ...

        for peer, code in ((hang_up, "~link"), (say_nothing, "~timeout")):
            server = await asyncio.start_server(peer, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            provider = Smpp(host="127.0.0.1", port=port, system_id="demo", password=SECRET, response_timeout=0.1)
            with pytest.raises(Unreachable) as caught:
                await provider.open(sink)
            assert caught.value.code == code
            assert SECRET not in repr(caught.value)
            await provider.close()
            with pytest.raises(Unreachable):
                await anext(provider.send(window([84900000001], "x"), Gate(window([84900000001], "x"))))
            server.close()

    asyncio.run(run())


def test_sequences_begin_again_after_the_last() -> None:
    """Past 0x7FFFFFFF sequence numbers start at 1, and answers are still told apart."""

    async def run() -> None:
        async with bound(agree, window=4) as (provider, _, _):
            assert provider._link is not None
            provider._link._sequence = wire.LAST_SEQUENCE - 6
            answers, ended = await collect(provider, 20)
        assert ended is None
        refs = sorted(int(answer.provider_ref) for answer in answers)
        assert refs[0] == 1
        assert refs[-1] <= wire.LAST_SEQUENCE
        assert len(set(refs)) == 20

    asyncio.run(run())


def test_a_slow_receipt_store_does_not_hold_up_answers() -> None:
    """While the store is slow, answers to submissions still come; then every receipt is acknowledged once."""

    async def run() -> None:
        receipts = b"".join(said(wire.DELIVER_SM, 1_000 + n, 0, b"\0" * 17) for n in range(500))

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command == wire.DELIVER_SM_RESP:
                return b""
            extra = receipts if command == wire.SUBMIT_SM and peer.submits == 1 else b""
            reply = agree(command, sequence, body)
            return None if reply is None else extra + reply

        async with bound(script) as (provider, peer, kept):
            released = asyncio.Event()

            async def slow(events: Sequence[Callback | bytes]) -> None:
                await released.wait()
                kept.extend(events)

            assert provider._link is not None
            provider._link.sink = slow
            answers, ended = await collect(provider)
            assert (len(answers), ended, kept) == (10, None, [])
            released.set()
            await peer.until(lambda: peer.seen.count(wire.DELIVER_SM_RESP) == 500)
            assert len(kept) == 500

    asyncio.run(run())


def test_a_flood_of_receipts_stops_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """More receipts than may be held stop the reading; nothing times out meanwhile, and all are kept in the end."""
    monkeypatch.setattr(smpp_link, "HELD", 100)

    async def run() -> None:
        async with bound(agree, response_timeout=0.1) as (provider, peer, _):
            released, kept, link = asyncio.Event(), [], provider._link
            assert link is not None

            async def slow(events: Sequence[Callback | bytes]) -> None:
                await released.wait()
                kept.extend(events)

            link.sink = slow
            peer.writer.write(b"".join(said(wire.DELIVER_SM, 1_000 + n, 0, b"\0" * 17) for n in range(500)))
            async with asyncio.timeout(5):
                while link._transport.is_reading():  # noqa: ASYNC110 - a transport tells nobody that it was paused
                    await asyncio.sleep(0.005)
            sending = asyncio.ensure_future(collect(provider))
            await asyncio.sleep(0.3)
            assert not sending.done()
            released.set()
            answers, ended = await sending
            assert ended is None
            assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
            await peer.until(lambda: peer.seen.count(wire.DELIVER_SM_RESP) == 500)
            assert len(kept) == 500

    asyncio.run(run())


def test_a_carrier_faster_than_we_are_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read and not dealt with is bounded: the socket is read again when it was worked off."""
    monkeypatch.setattr(smpp_link, "HELD", 500)

    async def run() -> None:
        async with bound(agree) as (provider, _, kept):
            link = provider._link
            assert link is not None
            link.data_received(b"".join(said(wire.DELIVER_SM, 1_000 + n, 0, b"\0" * 17) for n in range(2_000)))
            assert len(link._unread) == 2_000 - smpp_link.PIECE
            assert not link._transport.is_reading()
            async with asyncio.timeout(5):
                while len(kept) < 2_000 or not link._transport.is_reading():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.005)

    asyncio.run(run())


def test_a_store_that_fails_asks_for_the_receipt_again() -> None:
    """A receipt that was not kept is answered with "queue full", so the carrier brings it again."""

    async def run() -> None:
        async with bound(agree) as (provider, peer, _):

            async def broken(_: Sequence[Callback | bytes]) -> None:
                raise OSError("disk full")

            assert provider._link is not None
            provider._link.sink = broken
            peer.writer.write(said(wire.DELIVER_SM, 3, 0, b"\0" * 17))
            await peer.until(lambda: wire.DELIVER_SM_RESP in peer.seen)
            assert peer.statuses[-1] == wire.RMSGQFUL

    asyncio.run(run())
