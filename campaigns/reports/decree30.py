"""The layout of official papers: Decree 30/2020/NĐ-CP, Appendix I, as python-docx primitives without content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import docx
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.table import WD_ALIGN_VERTICAL, WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.enum.text import WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Mm, Pt, RGBColor

FONT = "Times New Roman"  # I.4
BODY = 14  # pt; II.6.e allows 13 to 14
TABLE = 12  # pt; the decree sets none for tables
A4 = (Mm(210), Mm(297))  # I.1
TOP, BOTTOM, LEFT, RIGHT = Mm(20), Mm(20), Mm(30), Mm(15)  # I.3: 20-25, 20-25, 30-35, 15-20
WIDTH = 165.0  # mm of text on an upright page
MM_PER_PT = 25.4 / 72
MARKED_TOP = Mm(25)  # room for a band above the page number; still within I.3


@dataclass(frozen=True, slots=True)
class Look:
    """How one paragraph looks; sizes and gaps in pt."""

    size: float = BODY
    bold: bool = False
    italic: bool = False
    align: Any = ALIGN.JUSTIFY
    before: float = 0
    after: float = 6  # II.6.e: at least 6 pt between paragraphs
    first: float = 1.27  # cm; II.6.e: 1 or 1.27
    left: float = 0  # cm
    keep: bool = False  # on one page with the next paragraph


BODY_LOOK = Look()
CENTRED = Look(align=ALIGN.CENTER, after=0, first=0)
TITLE = Look(bold=True, align=ALIGN.CENTER, after=0, first=0, keep=True)
SECTION = Look(bold=True, before=6, keep=True)
CLAUSE = Look(bold=True, keep=True)
NOTE = Look(size=12, italic=True, first=0)


def new_paper(bands: Sequence[str]) -> Any:
    """An empty upright A4 paper; `bands` stand across the top of every page, above the page number."""
    paper = docx.Document()
    _plain_style(paper.styles["Normal"])
    section = paper.sections[0]
    section.page_width, section.page_height = A4
    _margins(section, marked=bool(bands))
    _page_heads(section, bands)
    return paper


def _plain_style(style: Any) -> None:
    style.font.name, style.font.size = FONT, Pt(BODY)
    style.font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for script in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(script), FONT)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "vi-VN")
    style.element.rPr.append(language)


def _margins(section: Any, *, marked: bool) -> None:
    section.top_margin, section.bottom_margin = (MARKED_TOP if marked else TOP), BOTTOM
    section.left_margin, section.right_margin = LEFT, RIGHT
    section.header_distance = Mm(7 if marked else 10)


def _page_heads(section: Any, bands: Sequence[str]) -> None:
    """I.7: Arabic numerals, 13-14, centred in the top margin, not shown on the first page."""
    section.different_first_page_header_footer = True
    for head, numbered in ((section.first_page_header, False), (section.header, True)):
        head.is_linked_to_previous = False
        for words in bands:
            band = write(head, words, Look(size=12, bold=True, align=ALIGN.CENTER, after=0, first=0))
            _edge(band, "top")
            _edge(band, "bottom")  # equal neighbours share one box: a band across the page
        if numbered:
            _field(write(head, "", Look(size=13, align=ALIGN.CENTER, before=3, after=0, first=0)), "PAGE")


def _field(paragraph: Any, code: str) -> None:
    run = paragraph.add_run()
    _face(run, 13, bold=False, italic=False)
    for kind in ("begin", "separate", "end"):
        mark = OxmlElement("w:fldChar")
        mark.set(qn("w:fldCharType"), kind)
        run._r.append(mark)  # noqa: SLF001 - python-docx has no fields
        if kind == "begin":
            words = OxmlElement("w:instrText")
            words.text = code
            run._r.append(words)  # noqa: SLF001 - as above


def new_appendix(paper: Any, *, lying: bool = False) -> None:
    """A new page whose numbers start again at 1 (III.1.đ), lying on its side for wide tables."""
    section = paper.add_section(WD_SECTION.NEW_PAGE)
    short, long = A4
    section.page_width, section.page_height = (long, short) if lying else (short, long)
    section.orientation = WD_ORIENT.LANDSCAPE if lying else WD_ORIENT.PORTRAIT
    section.different_first_page_header_footer = True
    numbers = OxmlElement("w:pgNumType")
    numbers.set(qn("w:start"), "1")
    old = section._sectPr.find(qn("w:pgNumType"))  # noqa: SLF001 - python-docx has no page numbers
    if old is not None:
        section._sectPr.remove(old)  # noqa: SLF001 - as above
    section._sectPr.find(qn("w:pgMar")).addnext(numbers)  # noqa: SLF001 - the schema fixes its place


def write(where: Any, words: str, look: Look = BODY_LOOK) -> Any:
    """One paragraph of one face."""
    paragraph = _paragraph(where, look)
    if words:
        _face(paragraph.add_run(words), look.size, bold=look.bold, italic=look.italic)
    return paragraph


def add(paragraph: Any, words: str, *, size: float = BODY, bold: bool = False, italic: bool = False) -> None:
    """More words on the same line in another face."""
    _face(paragraph.add_run(words), size, bold=bold, italic=italic)


def _paragraph(where: Any, look: Look) -> Any:
    """A new paragraph, or the untouched one that each cell and page head is born with."""
    born = where.paragraphs[-1:] if len(where.paragraphs) == 1 else []
    fresh = born and not born[0].runs and born[0].alignment is None
    paragraph = born[0] if fresh else where.add_paragraph()
    paragraph.alignment = look.align
    _shape(paragraph, look)
    return paragraph


def _shape(paragraph: Any, look: Look) -> None:
    shape = paragraph.paragraph_format
    shape.space_before, shape.space_after = Pt(look.before), Pt(look.after)
    shape.first_line_indent, shape.left_indent = Cm(look.first), Cm(look.left)
    shape.line_spacing_rule = WD_LINE_SPACING.SINGLE
    shape.keep_with_next, shape.widow_control = look.keep, True


def _face(run: Any, size: float, *, bold: bool, italic: bool) -> None:
    run.font.size, run.font.bold, run.font.italic = Pt(size), bold, italic


def rule(where: Any, length: float, width: float, *, gap: float = 2, after: float = 0) -> None:
    """A drawn line of `length` mm, centred in `width` mm, `gap` pt below the words: the border of an empty paragraph.

    A border moves with the words and needs no drawing shape, which every office program treats in its own way.
    """
    paragraph = _paragraph(where, Look(align=ALIGN.LEFT, before=gap, after=after, first=0))
    side = Mm((width - length) / 2)
    paragraph.paragraph_format.left_indent = paragraph.paragraph_format.right_indent = side
    paragraph.paragraph_format.line_spacing = Pt(2)
    _face(paragraph.add_run(""), 1, bold=False, italic=False)
    _edge(paragraph, "top")


def _edge(paragraph: Any, side: str) -> None:
    """A line along one side of a paragraph."""
    properties = paragraph._p.get_or_add_pPr()  # noqa: SLF001 - python-docx has no borders
    edges = properties.find(qn("w:pBdr"))
    if edges is None:
        edges = OxmlElement("w:pBdr")
        properties.insert_element_before(edges, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")
    edge = OxmlElement(f"w:{side}")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "000000")):
        edge.set(qn(f"w:{name}"), value)
    edges.append(edge)


def side_by_side(paper: Any, widths: Sequence[float], rows: int = 1) -> Any:
    """A table without lines, for words side by side on one page; widths in mm, no padding."""
    table = paper.add_table(rows=rows, cols=len(widths))
    _fix(table, widths, padding=0)
    return table


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled table: its head repeats on each page, no row breaks over two, rows of sums are bold."""

    heads: Sequence[Sequence[str]]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]  # mm
    words: frozenset[int]  # columns of words, set left; all others are figures, set right
    size: float = TABLE
    sums: frozenset[int] = frozenset()  # rows of sums, set bold


def draw(paper: Any, grid: Grid) -> None:
    """Put the table on the paper, with a gap under it."""
    lines = [*grid.heads, *grid.rows]
    table = paper.add_table(rows=len(lines), cols=len(grid.widths))
    table.style = "Table Grid"
    _fix(table, grid.widths, padding=1.0)
    for at, (row, line) in enumerate(zip(table.rows, lines, strict=True)):
        head, last = at < len(grid.heads), at == len(lines) - 1
        _row_marks(row, head=head)
        for column, (box, words) in enumerate(zip(row.cells, line, strict=True)):
            box.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
            side = ALIGN.CENTER if head else ALIGN.LEFT if column in grid.words else ALIGN.RIGHT
            bold = head or at - len(grid.heads) in grid.sums
            look = Look(grid.size, bold=bold, align=side, before=2, after=2, first=0, keep=not last)
            write(box, words, look)
    gap(paper, 6)


def gap(paper: Any, height: float) -> None:
    """An empty line of so many pt, as after a table, which has no space of its own."""
    empty = write(paper, "", Look(after=0, first=0))
    empty.paragraph_format.line_spacing = Pt(height)


def _fix(table: Any, widths: Sequence[float], padding: float) -> None:
    """Fixed widths, or Word and LibreOffice each guess their own; `padding` mm left and right in each cell."""
    table.autofit, table.alignment = False, WD_TABLE_ALIGNMENT.CENTER
    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        edge = OxmlElement(f"w:{side}")
        edge.set(qn("w:w"), str(Mm(padding).twips))
        edge.set(qn("w:type"), "dxa")
        margins.append(edge)
    table._tbl.tblPr.append(margins)  # noqa: SLF001 - python-docx has no cell margins
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width)
        for box in column.cells:
            box.width = Mm(width)


def _row_marks(row: Any, *, head: bool) -> None:
    marks = row._tr.get_or_add_trPr()  # noqa: SLF001 - python-docx has no row marks
    marks.append(OxmlElement("w:cantSplit"))
    if head:
        marks.append(OxmlElement("w:tblHeader"))


def words_width(words: str, size: float) -> float:
    """About how long bold words are, in mm: good enough for a rule of a third to a half of them (II.2.b, II.5.b)."""
    ems = sum(0.25 if char == " " else 0.70 if char.isupper() else 0.48 for char in words)
    return ems * size * MM_PER_PT
