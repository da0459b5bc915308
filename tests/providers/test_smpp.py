"""The adapter against peers that misbehave, against somebody else's server, and its reading of receipts."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import smpp34

from campaigns.terms import Answer, Callback, Outcome, Problem, Receipt
from providers import smpp_pdu as wire
from providers.errors import Forged, Misconfigured, ProviderError, Unreachable, Unreadable
from providers.smpp import Smpp
from tests.providers.gates import Gate, window

Script = Callable[[int, int, bytes], bytes | None]
SECRET = "hush-it"


def said(command: int, sequence: int, status: int = 0, body: bytes = b"") -> bytes:
    return struct.pack(">4I", 16 + len(body), command, status, sequence) + body


class Peer:
    """An SMSC by script: what it is sent goes through `script(command, sequence, body)`, None hangs up."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.submits = 0
        self.unanswered = 0
        self.seen: list[int] = []
        self.statuses: list[int] = []
        self.heard = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            while True:
                length, command, status, sequence = struct.unpack(">4I", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                self.seen.append(command)
                self.statuses.append(status)
                self.heard.set()
                reply = self._reply(command, sequence, body)
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def _reply(self, command: int, sequence: int, body: bytes) -> bytes | None:
        if command == wire.BIND_TRANSCEIVER:
            return said(wire.BIND_TRANSCEIVER_RESP, sequence, 0, b"peer\0")
        if command == wire.SUBMIT_SM:
            self.submits += 1
        return self.script(command, sequence, body)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self.heard.clear()
                await self.heard.wait()


@asynccontextmanager
async def bound(script: Script, **settings: object) -> AsyncIterator[tuple[Smpp, Peer, list[Callback]]]:
    """An adapter bound to a scripted peer, and what its sink kept."""
    peer, kept = Peer(script), []

    async def sink(events: Sequence[Callback]) -> None:
        kept.extend(events)

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given: dict[str, object] = {"system_id": "demo", "password": SECRET, "response_timeout": 0.2, **settings}
    provider = Smpp(host="127.0.0.1", port=port, **given)  # type: ignore[arg-type]
    try:
        await provider.open(sink)
        yield provider, peer, kept
    finally:
        await provider.close()
        server.close()


async def collect(
    provider: Smpp, count: int = 10, text: str = "xin chào", **gate: int
) -> tuple[list[Answer], ProviderError | None]:
    """All answers of one window, and how its sending ended."""
    work = window([84900000000 + n for n in range(count)], text, lo=100)
    answers: list[Answer] = []
    try:
        async for batch in provider.send(work, Gate(work, **gate)):
            answers += batch
    except ProviderError as error:
        return answers, error
    return answers, None


def agree(command: int, sequence: int, body: bytes) -> bytes | None:
    """Take everything."""
    if command == wire.UNBIND:
        return None
    return said(command | wire.ANSWER, sequence, 0, b"%d\0" % sequence if command == wire.SUBMIT_SM else b"")


def status(value: int) -> Script:
    """Answer every submission with this status."""
    return lambda command, sequence, body: (
        said(wire.SUBMIT_SM_RESP, sequence, value) if command == wire.SUBMIT_SM else agree(command, sequence, body)
    )


STATUSES = [
    (0x00, Outcome.ACCEPTED, None),
    *((value, Outcome.DEFERRED, None) for value in (0x14, 0x58, 0x64)),
    *((value, Outcome.REFUSED, None) for value in (0x01, 0x0B, 0x45, 0x61, 0x65, 0x66)),
    *((value, Outcome.DEFERRED, Misconfigured) for value in (0x03, 0x04, 0x0A, 0x0D, 0x0E, 0x43, 0xC1)),
    *((value, Outcome.UNCERTAIN, None) for value in (0x08, 0xFE, 0xFF, 0x410, 0xDEADBEEF)),
]


@pytest.mark.parametrize(("value", "outcome", "error"), STATUSES)
@pytest.mark.parametrize("long_text", ["payload", "udh"])
def test_every_status_has_a_meaning(
    value: int, outcome: Outcome, error: type[ProviderError] | None, long_text: str
) -> None:
    """Each status becomes its outcome with the raw code kept; what is our fault also stops the account."""

    async def run() -> None:
        async with bound(status(value), long_text=long_text) as (provider, _, _):
            answers, ended = await collect(provider, text="phòng, chống mua bán người " * 4)
        assert {answer[1:3] for answer in answers} == {(outcome, f"0x{value:02X}")}
        assert sorted(answer.idx for answer in answers) == list(range(100, 110))
        assert (type(ended) if ended else None) is error

    asyncio.run(run())


def test_a_refused_sender_takes_no_more_from_the_gate() -> None:
    """After an answer that blames our settings nothing further of the window is sent."""

    async def run() -> None:
        async with bound(status(0x0A), window=5) as (provider, peer, _):
            answers, ended = await collect(provider, 100)
        assert isinstance(ended, Misconfigured)
        assert len(answers) == peer.submits < 100

    asyncio.run(run())


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


def test_part_of_a_text_taken_is_uncertain() -> None:
    """When one part was taken and another refused, nobody knows what the phone shows: never send it again."""

    async def run() -> None:
        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            even = command == wire.SUBMIT_SM and sequence % 2
            return said(wire.SUBMIT_SM_RESP, sequence, 0x58) if even else agree(command, sequence, body)

        async with bound(script, long_text="udh") as (provider, _, _):
            answers, _ = await collect(provider, text="chống mua bán người " * 6)
        assert {answer[1:3] for answer in answers} == {(Outcome.UNCERTAIN, "~partial")}

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
            assert {answer[1:3] for answer in answers if answer.outcome < Outcome.ACCEPTED} == {(1, "~link")}
            assert 5 <= len(answers) <= 12
            peer.script = agree
            again, ended = await collect(provider)
            assert ended is None
            assert {answer.outcome for answer in again} == {Outcome.ACCEPTED}

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


def test_a_nack_is_an_answer() -> None:
    """A generic_nack of a submission says that the carrier could not read it: not taken, and our fault."""

    async def run() -> None:
        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            bad = command == wire.SUBMIT_SM
            return said(wire.GENERIC_NACK, sequence, 0x02) if bad else agree(command, sequence, body)

        async with bound(script) as (provider, _, _):
            answers, ended = await collect(provider)
        assert {answer[1:3] for answer in answers} == {(Outcome.DEFERRED, "0x02")}
        assert isinstance(ended, Misconfigured)

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

        async def sink(_: Sequence[Callback]) -> None: ...

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


def test_texts_to_one_phone_do_not_mingle() -> None:
    """Chained texts of two windows to the same phone at the same index carry different references."""

    async def run() -> None:
        references: list[int] = []

        def script(command: int, sequence: int, body: bytes) -> bytes | None:
            if command == wire.SUBMIT_SM:
                references.append(body[body.index(b"\x05\x00\x03") + 3])
            return agree(command, sequence, body)

        async with bound(script, long_text="udh") as (provider, _, _):
            for identity in (1_000, 1_001):
                work = window([84900000001], "chống mua bán người " * 6, identity=identity)
                async for _ in provider.send(work, Gate(work)):
                    pass
        assert references[0] == references[1] != references[2] == references[3]

    asyncio.run(run())


def test_the_gate_stops_a_window_and_zeros_are_skipped() -> None:
    """What the gate does not give is not sent; a number 0 has no PDU and no answer."""

    async def run() -> None:
        async with bound(agree) as (provider, peer, _):
            work = window([84900000001, 0, 84900000003, 84900000004], "xin chào", lo=10)
            answers = [a async for batch in provider.send(work, Gate(work, stop=13)) for a in batch]
            empty = [batch async for batch in provider.send(work, Gate(work, stop=10))]
        assert [answer.idx for answer in answers] == [10, 12]
        assert peer.submits == 2
        assert empty == []

    asyncio.run(run())


def test_a_full_receipt_store_stops_the_reading_not_the_answers() -> None:
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

            async def slow(events: Sequence[Callback]) -> None:
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


def test_a_store_that_fails_asks_for_the_receipt_again() -> None:
    """A receipt that was not kept is answered with "queue full", so the carrier brings it again."""

    async def run() -> None:
        async with bound(agree) as (provider, peer, _):

            async def broken(_: Sequence[Callback]) -> None:
                raise OSError("disk full")

            assert provider._link is not None
            provider._link.sink = broken
            peer.writer.write(said(wire.DELIVER_SM, 3, 0, b"\0" * 17))
            await peer.until(lambda: wire.DELIVER_SM_RESP in peer.seen)
            assert peer.statuses[-1] == wire.RMSGQFUL

    asyncio.run(run())


def test_another_server_takes_our_messages() -> None:
    """An independent SMSC reads our texts and addresses and its receipts come back: we speak SMPP, not a dialect."""

    async def run() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = smpp34.Server("127.0.0.1", port)
        await asyncio.ensure_future(server.start())
        kept: list[Callback] = []
        arrived = asyncio.Event()

        async def sink(events: Sequence[Callback]) -> None:
            kept.extend(events)
            arrived.set()

        provider = Smpp(host="127.0.0.1", port=port, system_id="demo", password=SECRET)
        await provider.open(sink)
        esme = await asyncio.ensure_future(server.next())
        sending = asyncio.ensure_future(collect(provider, 20, "chống mua bán"))
        numbers = []
        for taken in range(20):
            event = await asyncio.ensure_future(server.next())
            assert (event.data_coding, event.short_message.decode("utf-16-be")) == (8, "chống mua bán")
            numbers.append(int(event.destination_addr))
            event.accept(f"id-{taken}")
        answers, ended = await asyncio.wait_for(sending, 5)
        assert ended is None
        assert {answer.provider_ref for answer in answers} == {f"id-{n}" for n in range(20)}
        assert sorted(numbers) == [84900000000 + n for n in range(20)]
        text = b"id:id-3 sub:001 dlvrd:001 submit date:2407010800 done date:2407010801 stat:DELIVRD err:000 text:"
        await asyncio.ensure_future(esme.deliver_sm("TINNHAN", text, source_addr="84900000003", esm_class=4))
        await asyncio.wait_for(arrived.wait(), 5)
        assert provider.receipts(kept[0]) == [Receipt(Outcome.DELIVERED, "DELIVRD/000", "", "id-3", 84900000003)]
        await provider.close()
        await asyncio.ensure_future(server.stop())

    asyncio.run(run())


def deliver(
    text: str, *, source: str = "84900000001", esm_class: int = 4, tlvs: dict[int, bytes] | None = None
) -> bytes:
    """The body of a deliver_sm, written by somebody else's codec."""
    listed = [smpp34.Tlv(tag, value) for tag, value in (tlvs or {}).items()]
    pdu = smpp34.DeliverSm(source, "TINNHAN", text.encode("latin-1"), esm_class=esm_class, tlvs=listed)
    return pdu.encode()[16:]


def offline() -> Smpp:
    return Smpp(host="127.0.0.1", port=1, system_id="demo", password=SECRET)


FULL = "id:{} sub:001 dlvrd:001 submit date:2407010800 done date:2407010801 stat:{} err:{} text:stat:DELIVRD id:9"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (deliver(FULL.format("42", "DELIVRD", "000")), [(Outcome.DELIVERED, "DELIVRD/000", "42", 84900000001)]),
        *(
            (deliver(FULL.format("42", state, "027")), [(Outcome.UNDELIVERED, f"{state}/027", "42", 84900000001)])
            for state in ("EXPIRED", "DELETED", "UNDELIV", "REJECTD")
        ),
        (deliver(FULL.format("42", "ACCEPTD", "000")), [(Outcome.ACCEPTED, "ACCEPTD/000", "42", 84900000001)]),
        (deliver(FULL.format("42", "ENROUTE", "000"), esm_class=0x20), []),
        (deliver(FULL.format("42", "UNKNOWN", "000")), []),
        (deliver(FULL.format("42", "PERHAPS", "000")), []),
        (
            deliver("", source="0900000001", tlvs={0x1E: b"2a\0", 0x427: b"\x02"}),
            [(Outcome.DELIVERED, "DELIVRD", "2a", 84900000001)],
        ),
        (
            deliver(FULL.format("42", "UNDELIV", "1"), source="+84900000001", esm_class=0, tlvs={0x1E: b"2a\0"}),
            [(Outcome.UNDELIVERED, "UNDELIV/1", "2a", 84900000001)],
        ),
        (deliver("Id:42 Stat:delivrd", source="TINNHAN"), [(Outcome.DELIVERED, "DELIVRD", "42", 0)]),
        (deliver("", tlvs={0x1E: b"2a\0", 0x427: b"\x63"}), []),
        (deliver("KHONG", esm_class=0), []),
        (deliver("id:1 stat:DELIVRD", esm_class=0), []),
    ],
)
def test_receipts_are_read(body: bytes, found: list[tuple[Outcome, str, str, int]]) -> None:
    """Texts and TLVs of receipts become outcomes; what is not final, not known or from a phone gives nothing."""
    read = offline().receipts(Callback(body, method="SMPP"))
    assert read == [Receipt(outcome, code, "", ref, number) for outcome, code, ref, number in found]


@pytest.mark.parametrize("body", [b"", b"\0" * 5, b"\xff" * 40, deliver("nothing here"), deliver("stat:X")[:-3]])
def test_unreadable_receipts_say_so(body: bytes) -> None:
    """A body that is no deliver_sm, or a receipt without a state, is kept for a person, not dropped."""
    with pytest.raises(Unreadable):
        offline().receipts(Callback(body, method="SMPP"))


def test_a_receipt_by_http_is_forged() -> None:
    """Only what came over the bind is a receipt of this carrier."""
    with pytest.raises(Forged):
        offline().verify(Callback(deliver("id:1 stat:DELIVRD")))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"system_id": "x" * 16}, "system_id"),
        ({"password": "mật-khẩu"}, "password"),
        ({"long_text": "sar"}, '"sar"'),
        ({"window": 0}, "window is 0"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], named: str) -> None:
    """A setting no carrier can take is refused with its name, and a password is never quoted."""
    given: dict[str, object] = {"host": "127.0.0.1", "port": 1, "system_id": "demo", "password": SECRET, **settings}
    with pytest.raises(Problem) as caught:
        Smpp(**given)  # type: ignore[arg-type]
    assert named in str(caught.value)
    assert "mật-khẩu" not in f"{caught.value!r}"


@pytest.mark.parametrize(
    ("sender", "text", "code"), [("Thử", "x", "~sender"), ("", "x", "~sender"), ("A", "", "~text")]
)
def test_what_no_pdu_can_carry_stops_before_the_gate(sender: str, text: str, code: str) -> None:
    """A sender or a text that cannot be written takes nothing from the gate and calls a person."""

    async def run() -> None:
        async with bound(agree) as (provider, _, _):
            work = window([84900000001], text, sender=sender)
            gate = Gate(work)
            with pytest.raises(Misconfigured) as caught:
                await anext(provider.send(work, gate))
            assert (caught.value.code, gate.taken) == (code, [])

    asyncio.run(run())
