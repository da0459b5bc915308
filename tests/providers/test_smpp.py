"""What the adapter makes of answers, texts and settings, against a scripted SMSC and somebody else's server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest
import smpp34

from campaigns.terms import Callback, Outcome, Problem, Receipt
from providers import smpp_pdu as wire
from providers.errors import Misconfigured, ProviderError
from providers.smpp import Smpp
from tests.providers.gates import Gate, window
from tests.providers.scripted_smsc import SECRET, agree, bound, collect, said, status

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


def test_another_server_takes_our_messages() -> None:
    """An independent SMSC reads our texts and addresses and its receipts come back: we speak SMPP, not a dialect."""

    async def run() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = smpp34.Server("127.0.0.1", port)
        await asyncio.ensure_future(server.start())
        kept: list[Callback | bytes] = []
        arrived = asyncio.Event()

        async def sink(events: Sequence[Callback | bytes]) -> None:
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
        told = [Receipt(Outcome.DELIVERED, "DELIVRD/000", "", "id-3", 84900000003)]
        assert provider.receipts_of(kept) == [told]
        await provider.close()
        await asyncio.ensure_future(server.stop())

    asyncio.run(run())


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
