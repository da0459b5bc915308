"""A list's area finds its unit, by the era of the campaign, in the spellings that departments use."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from campaigns.terms import Problem
from campaigns.units import UnitTable, find

TABLE = UnitTable.load(Path(__file__).parents[2] / "config" / "units" / "lai_chau_units.csv")
OLD, NEW = TABLE.on(date(2024, 7, 1)), TABLE.on(date(2026, 7, 1))


@pytest.mark.parametrize(
    ("area", "then", "now"),
    [
        ("Huyện Sìn Hồ", "Huyện Sìn Hồ", "Huyện Sìn Hồ"),
        ("Sìn Hồ", "Huyện Sìn Hồ", "Xã Sìn Hồ"),
        ("H. Tam Đường", "Huyện Tam Đường", "Huyện Tam Đường"),
        ("TP Lai Châu", "Thành phố Lai Châu", "Thành phố Lai Châu"),
        ("THÀNH PHỐ LAI CHÂU", "Thành phố Lai Châu", "Thành phố Lai Châu"),
        ("Thị trấn Tam Đường", "Thị trấn Tam Đường", "Xã Bình Lư"),
        ("TT. Tam Đường", "Thị trấn Tam Đường", "Xã Bình Lư"),
        ("Phường Quyết Tiến", "Phường Quyết Tiến", "Phường Đoàn Kết"),
        ("xa La Nhi Thang", "Xã Lả Nhì Thàng", "Phường Đoàn Kết"),
        ("xa Nam Cha", None, None),
        ("Xã Lả Nhì Thàng, huyện Phong Thổ", "Xã Lả Nhì Thàng", "Phường Đoàn Kết"),
        ("Xã Mù Cả", "Xã Mù Cả", "Xã Mù Cả"),
        ("Phường Đoàn Kết", "Phường Đoàn Kết", "Phường Đoàn Kết"),
        ("Hà Nội", None, None),
        ("", None, None),
    ],
)
def test_an_area_is_found_by_its_era(area: str, then: str | None, now: str | None) -> None:
    """An old name leads to the new unit where the old one went over whole."""
    for codes, wanted in ((OLD, then), (NEW, now)):
        found = find(codes, area)
        assert (TABLE.names[found] if found else None) == wanted


def test_every_unit_is_found_by_its_full_name_and_no_code_means_two() -> None:
    """Eight districts and 106 communes then, 38 units now; 03388 then and 03388 now are two units."""
    assert len(TABLE.names) == len(TABLE.units) == 8 + 106 + 38
    for unit in TABLE.units:
        assert find(NEW if unit.new else OLD, unit.name) == unit.id
    assert find(OLD, "Phường Quyết Tiến") == 3388
    assert find(NEW, "Phường Đoàn Kết") == 103388


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """A lost file is a sentence, not a traceback."""
    with pytest.raises(Problem, match=r"none\.csv: cannot be read"):
        UnitTable.load(tmp_path / "none.csv")
