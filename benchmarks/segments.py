"""Segments, units and bytes of generated texts beside two strangers: PyPI's gsm0338 and npm's sms-segments-calculator.

    python benchmarks/segments.py --texts 100000 --node FOLDER

FOLDER holds `node_modules/sms-segments-calculator` (npm install sms-segments-calculator@1.3.0); without --node only
the codec is asked. Texts are drawn with a seed from the GSM-7 alphabet and its extension, Vietnamese in NFC and NFD,
letters beyond the BMP, and lengths round each border. Each text is normalised first, as everything that we send.
Prints the cases, the disagreements by kind, and the first of each kind; the exit code is 1 when one is unexplained.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gsm0338

from campaigns import segments, text
from providers.smpp import coded

BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡AZÄÖÑÜ§¿azäöñüà"
EXTENSION = "^{}\\[~]|€\f"
VIETNAMESE = "aàảãáạăằẳẵắặâầẩẫấậđeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ ĐƯƠ.,0123456789"
ASTRAL = "😀🇻𝔸𠀋🦺"
OTHERS = "ꪀꪱ“”–…\u00a0₫ກ"
BORDERS = (
    1,
    69,
    70,
    71,
    133,
    134,
    135,
    152,
    153,
    154,
    159,
    160,
    161,
    200,
    201,
    202,
    266,
    267,
    268,
    269,
    305,
    306,
    307,
    459,
    460,
)
NODE = """
const { SegmentedMessage } = require('sms-segments-calculator');
const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const found = new SegmentedMessage(JSON.parse(line), 'auto', false);
  const units = found.segments.reduce((sum, one) => sum + one.messageSizeInBits() / (found.getEncodingName() === 'GSM-7' ? 7 : 16), 0);
  process.stdout.write(JSON.stringify([found.getEncodingName(), units, found.segmentsCount]) + '\\n');
});
"""  # noqa: E501 - one expression of another language


CODEC = gsm0338.Codec()


def generated(count: int, seed: int) -> Iterator[str]:
    """Texts of every kind in turn, as they come in: NFC or NFD."""
    dice = random.Random(seed)  # noqa: S311 - texts, not secrets
    kinds = (
        BASIC, BASIC + EXTENSION, EXTENSION, VIETNAMESE, VIETNAMESE + ASTRAL, BASIC + EXTENSION + ASTRAL, ASTRAL,
        VIETNAMESE + OTHERS + EXTENSION,
    )  # fmt: skip
    for no in range(count):
        length = dice.choice(BORDERS) if dice.random() < 0.7 else dice.randrange(1, 500)
        drawn = "".join(dice.choices(kinds[no % len(kinds)], k=length))
        yield unicodedata.normalize("NFD", drawn) if dice.random() < 0.3 else drawn


def ours(content: str) -> tuple[str, int, int]:
    """What we say: encoding, units, parts."""
    found = segments.measure(content)
    return found.encoding, found.units, found.segments


def codec_disagrees(content: str) -> str:
    """What the codec says otherwise of this NFC text, "" when nothing: alphabet, septets, bytes and the way back."""
    codec = CODEC
    encoding, units, _ = ours(content)
    try:
        septets: int | None = len(codec.encode(content)[0])
    except UnicodeError:
        septets = None
    if (septets is not None) != (encoding == segments.GSM7):
        return "alphabet"
    if septets is not None and septets != units:
        return "septets"
    parts = segments.parts(content)
    data_coding, encoded = coded(parts)
    back = [codec.decode(each)[0] if data_coding != 8 else each.decode("utf-16-be") for each in encoded]
    return "" if back == parts and "".join(back) == content else "way back"


def npm_says(contents: list[str], folder: Path) -> list[tuple[str, int, int]]:
    """What the npm package says of each text."""
    asked = "".join(json.dumps(each) + "\n" for each in contents)
    done = subprocess.run(["node", "-e", NODE], input=asked, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603, S607 - the developer's own node
    return [(one, round(units), parts) for one, units, parts in map(json.loads, done.stdout.splitlines())]


def explained(content: str, said: tuple[str, int, int]) -> str:
    """Why the npm package may differ: known reasons only, "" for none."""
    mine = ours(content)
    if "\f" in content and said[0] != mine[0]:
        return "form feed: an extension character of TS 23.038, 6.2.1.1, that the package lacks"
    graphemes = any(unicodedata.combining(char) or char in "\u200d\ufe0f" or "🇦" <= char <= "🇿" for char in content)
    if graphemes and said[:2] == mine[:2] and said[2] >= mine[2]:
        return "the package keeps graphemes whole (two flag letters, a mark left by NFC): more parts than bytes need"
    if "\r\n" in content and said[:2] == mine[:2]:
        return "the package keeps CR LF in one part"
    return ""


def main() -> int:
    """Run and print; 0 when nothing is left unexplained."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--node", type=Path)
    wanted = parser.parse_args()
    contents = [text.normal(each) for each in generated(wanted.texts, wanted.seed)]
    mixed = Counter(ours(each)[0] for each in contents)
    sys.stdout.write(f"{len(contents)} texts: {mixed['GSM-7']} GSM-7, {mixed['UCS-2']} UCS-2, seed {wanted.seed}\n")
    began = time.perf_counter()
    wrong = Counter(kind for each in contents if (kind := codec_disagrees(each)))
    sys.stdout.write(
        f"gsm0338: {sum(wrong.values())} disagreements {dict(wrong)} ({time.perf_counter() - began:.1f} s)\n"
    )
    return int(bool(wrong) | (bool(wanted.node) and _beside_npm(contents, wanted.node)))


def _beside_npm(contents: list[str], folder: Path) -> bool:
    began = time.perf_counter()
    reasons: Counter[str] = Counter()
    first: dict[str, str] = {}
    for content, said in zip(contents, npm_says(contents, folder), strict=True):
        if said != ours(content):
            why = explained(content, said) or "UNEXPLAINED"
            reasons[why] += 1
            first.setdefault(why, f"{content[:40]!r}… ours {ours(content)}, theirs {said}")
    took = time.perf_counter() - began
    sys.stdout.write(f"sms-segments-calculator: {reasons.total()} disagreements ({took:.1f} s)\n")
    for why, times in reasons.most_common():
        sys.stdout.write(f"  {times}: {why}\n    {first[why]}\n")
    return bool(reasons["UNEXPLAINED"])


if __name__ == "__main__":
    sys.exit(main())
