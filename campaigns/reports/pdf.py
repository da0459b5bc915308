"""A paper as PDF/A-2b: set by typst from the very document that becomes the .docx, so that both say the same.

Only what decree30 makes is understood: paragraphs of one or more faces, rules, ruled and unruled tables, sections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.oxml.ns import qn
from docx.table import Table

from campaigns.reports import decree30
from campaigns.reports.files import whole_file

FONTS = ("Times New Roman", "Liberation Serif", "Libertinus Serif")
"""The decree's own; its twin in width; the one that comes with typst and so is always there."""
LETTERS = "".join(
    f"{letter}{letter.upper()}"
    for letter in "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵ"
)
SIGNS = "“”–…•₫×≤▲✓‑"
"""Signs that our papers use beside the letters; a font may lack them: typst then takes them from another."""
_SIDES = {ALIGN.CENTER: "center", ALIGN.RIGHT: "right", ALIGN.LEFT: "left"}
_ENDLESS = re.compile(r"\w{32}(?=\w)")
_STANDARD: Literal["a-2b"] = "a-2b"


def write_pdf(paper: Any, out: Path, fonts: Path | None = None) -> Path:
    """Write a decree30 paper as PDF; `fonts` is a folder whose fonts are preferred to the system's."""
    family, book = _chosen(str(fonts or ""))
    made = typst.Compiler(_source(paper, family).encode(), font_paths=book).compile(
        format="pdf", pdf_standards=_STANDARD, timestamp=paper.core_properties.created.replace(tzinfo=UTC)
    )
    if not isinstance(made, bytes):
        raise TypeError(type(made))
    with whole_file(out) as part:
        part.write_bytes(made)
    return out


def font(fonts: Path | None = None) -> str:
    """The font that papers are set in on this machine."""
    return _chosen(str(fonts or ""))[0]


@cache
def _chosen(folder: str) -> tuple[str, typst.Fonts]:
    """The first font that has every Vietnamese letter: an old Liberation Serif lacks two thirds of them."""
    book = typst.Fonts(font_paths=[Path(folder)] if folder else [])
    known = set(book.families())
    return next(name for name in FONTS if name in known and _draws(name, book)), book


def _draws(family: str, book: typst.Fonts) -> bool:
    """PDF/A refuses a page with a missing letter, so setting one is the proof."""
    words = f"#set text(font: {_quoted(family)}, fallback: false)\n#{_quoted(LETTERS)}"
    try:
        typst.Compiler(words.encode(), font_paths=book).compile(format="pdf", pdf_standards=_STANDARD)
    except typst.TypstError:
        return False
    return True


def _source(paper: Any, family: str) -> str:
    facts = paper.core_properties
    made = facts.created
    about = (
        f"#set document(title: {_quoted(facts.title)}, author: {_quoted(facts.author)},"
        f" date: datetime(year: {made.year}, month: {made.month}, day: {made.day}))"
    )
    face = (
        f'#set text(font: ({_quoted(family)}, "Libertinus Serif", "DejaVu Sans Mono"), lang: "vi", size: 14pt,'
        ' top-edge: "ascender", bottom-edge: "descender", hyphenate: false)'
    )
    even = "#set par(leading: 0pt, spacing: 0pt)\n#set block(spacing: 0pt)"
    return "\n".join(
        [about, face, even, *(_section(at, section, _bands(paper)) for at, section in enumerate(paper.sections))]
    )


def _bands(paper: Any) -> list[str]:
    return [each.text for each in paper.sections[0].first_page_header.paragraphs if each.text]


def _section(at: int, section: Any, bands: list[str]) -> str:
    """Pages of one section; each section's are numbered from 1, and its first page bears no number."""
    lying = section.orientation == WD_ORIENT.LANDSCAPE
    sides = {name: getattr(section, f"{name}_margin").mm for name in ("top", "bottom", "left", "right")}
    margin = ", ".join(f"{name}: {_short(mm)}mm" for name, mm in sides.items())
    boxed = "".join(
        f"#box(width: 100%, stroke: 0.75pt, inset: 1pt, align(center, text(size: 12pt, weight: 700, {_quoted(words)})))"
        for words in bands
    )
    numbered = (
        f"#context {{ let n = here().page() - locate(<section-{at}>).page() + 1;"
        " if n > 1 { align(center, text(size: 13pt, str(n))) } }"
    )
    body = "\n".join(_blocks(section.iter_inner_content()))
    return (
        f'#page(paper: "a4", flipped: {str(lying).lower()}, margin: ({margin}), header: [{boxed}{numbered}])[\n'
        f"#metadata(none) <section-{at}>\n{body}\n]"
    )


def _blocks(content: Any) -> Iterator[str]:
    for each in content:
        yield _table(each) if isinstance(each, Table) else _paragraph(each)


def _paragraph(paragraph: Any) -> str:
    shape = paragraph.paragraph_format
    before, after = (_pt(shape.space_before), _pt(shape.space_after))
    words = "".join(map(_run, paragraph.runs))
    if _ruled(paragraph):
        sides = f"left: {_pt(shape.left_indent)}pt, right: {_pt(shape.right_indent)}pt"
        return f"#v({before + 2}pt)#pad({sides}, line(length: 100%, stroke: 0.75pt))#v({after + 2}pt)"
    if not words:
        fixed = shape.line_spacing.pt if hasattr(shape.line_spacing, "pt") else decree30.BODY * 1.15
        return f"#v({_short(before + after + fixed)}pt)"
    side = _SIDES.get(paragraph.alignment)
    indent = f"#h({_short(_pt(shape.first_line_indent))}pt)" if _pt(shape.first_line_indent) else ""
    body = f"par(justify: {str(side is None).lower()})[{indent}{words}]"
    body = f"align({side}, {body})" if side else body
    left = _pt(shape.left_indent)
    body = f"pad(left: {_short(left)}pt, {body})" if left else body
    sticky = ", sticky: true" if shape.keep_with_next else ""
    return f"#v({before}pt)#block(width: 100%{sticky}, {body})#v({after}pt)"


def _run(run: Any) -> str:
    if not run.text:
        return ""
    size = run.font.size.pt if run.font.size else decree30.BODY
    weight = 700 if run.font.bold else 400
    style = "italic" if run.font.italic else "normal"
    return f'#text(size: {_short(size)}pt, weight: {weight}, style: "{style}", {_quoted(_breakable(run.text))})'


def _breakable(words: str) -> str:
    """Word processors break a hash that is longer than its line; typst needs to be shown where it may."""
    return _ENDLESS.sub(lambda found: f"{found[0]}\u200b", words)


def _ruled(paragraph: Any) -> bool:
    properties = paragraph._p.pPr  # noqa: SLF001 - python-docx has no borders
    return properties is not None and properties.find(qn("w:pBdr")) is not None


def _table(table: Any) -> str:
    grid = table.style is not None and table.style.name == "Table Grid"
    widths = ", ".join(f"{_short(column.width.mm)}mm" for column in table.columns)
    stroke, inset = ("0.5pt", "(x: 1mm, y: 0pt)") if grid else ("none", "0pt")
    side = "center + horizon" if grid else "center + top"
    heads: list[str] = []
    rows: list[str] = []
    for row in table.rows:
        cells = "".join(f"[{''.join(_blocks(cell.iter_inner_content()))}]," for cell in row.cells)
        head = row._tr.trPr is not None and row._tr.trPr.find(qn("w:tblHeader")) is not None  # noqa: SLF001 - python-docx has no row marks
        (heads if head else rows).append(cells)
    first = f"table.header({''.join(heads)})," if heads else ""
    return (
        f"#block(width: 100%, align(center)[#show table.cell: set block(breakable: false)\n"
        f"#table(columns: ({widths},), stroke: {stroke}, inset: {inset}, align: {side}, {first}{''.join(rows)})])"
    )


def _pt(length: Any) -> float:
    return float(length.pt) if length is not None else 0.0


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _quoted(words: str) -> str:
    """A string of typst's: nothing in it is markup."""
    return json.dumps(words or "", ensure_ascii=False)
