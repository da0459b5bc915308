"""Take the pictures of this folder anew: every page of the console, from a demo run, in both themes and two widths.

    python docs/screens/take.py [part of a name]

Needs the development requirements and Debian's chromium. A picture ends after one screen; states of a page
that differ from it by a sentence or two are taken once, light, on a phone. 32 colours each: the folder stays small.
"""

from __future__ import annotations

import base64
import sys
import tempfile
import zlib
from pathlib import Path
from struct import pack

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.browser.stage import Stage, open_chromium, staged  # noqa: E402 - the tests are no installed package
from tests.browser.visits import VISITS, Visit, places, visited  # noqa: E402 - as above

COLOURS = 32
SIZES = {1280: 900, 390: 844}
TALLEST = 900  # pixels of a picture: one screen
REDUCE = """async ([data, most]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + data;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const seen = new Map(), all = new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer);
  for (const each of all) seen.set(each, (seen.get(each) ?? 0) + 1);
  const parts = (c) => [c & 255, (c >> 8) & 255, (c >> 16) & 255];
  const apart = (a, b) => a.reduce((sum, part, i) => sum + (part - b[i]) ** 2, 0);
  const palette = [], common = [...seen].sort((a, b) => b[1] - a[1]);
  for (const [least, first] of [[8, 24], [900, Infinity], [300, Infinity], [60, Infinity], [0, Infinity]]) {
    for (const [colour] of common.slice(0, first)) {
      if (palette.length === most) break;
      if (palette.every((other) => apart(parts(colour), other) > least)) palette.push(parts(colour));
    }
  }
  const nearest = new Map();
  for (const colour of seen.keys()) {
    let best = 0, least = Infinity;
    palette.forEach((other, i) => {
      const far = apart(parts(colour), other);
      if (far < least) { least = far; best = i; }
    });
    nearest.set(colour, best);
  }
  let told = "";
  const drawn = Uint8Array.from(all, (colour) => nearest.get(colour));
  for (let at = 0; at < drawn.length; at += 32768) told += String.fromCharCode(...drawn.subarray(at, at + 32768));
  return [image.width, image.height, palette, btoa(told)];
}"""


def smaller(easel: Page, picture: bytes) -> bytes:
    """A PNG of few colours, the commonest of the picture; counted and matched by the browser, packed here."""
    width, height, palette, drawn = easel.evaluate(REDUCE, [base64.b64encode(picture).decode(), COLOURS])
    dots = base64.b64decode(drawn)
    rows = b"".join(b"\0" + dots[at : at + width] for at in range(0, len(dots), width))
    parts = (
        (b"IHDR", pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(part for colour in palette for part in colour)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(body)) + name + body + pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def looks(visits: tuple[Visit, ...], visit: Visit) -> list[tuple[str, int]]:
    """Theme and width of each picture of a visit: all of a page's first one and of its waves, one of other states."""
    whole = visit is visits[0] or visit.whole
    return [(theme, width) for theme in ("light", "dark") for width in SIZES] if whole else [("light", 390)]


def take(browser: Browser, stage: Stage, there: dict[str, object], wanted: str) -> None:
    """Every picture whose name holds `wanted`."""
    easel = browser.new_page()
    for visits in VISITS.values():
        for visit in visits:
            for theme, width in looks(visits, visit) if wanted in visit.name else ():
                size = {"width": width, "height": SIZES[width]}
                with visited(browser, stage, visit, there, viewport=size, color_scheme=theme) as page:
                    tall = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
                    page.set_viewport_size({"width": width, "height": max(tall, SIZES[width])})
                    path = HERE / f"console-{visit.name}-{theme}-{width}.png"
                    path.write_bytes(smaller(easel, page.screenshot()))
                    print(path.name, path.stat().st_size)  # noqa: T201 - a script that says what it does


def main() -> None:
    """A demo run, and all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = open_chromium(playwright)
        with staged(Path(folder) / "data") as stage:
            for old in () if sys.argv[1:] else HERE.glob("console-*.png"):
                old.unlink()
            take(browser, stage, places(stage, Path(folder)), "".join(sys.argv[1:2]))
        browser.close()


if __name__ == "__main__":
    main()
