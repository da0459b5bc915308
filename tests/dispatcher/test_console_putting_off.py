"""An approved wave that has not begun: when it begins, and putting it off, on its page and at home."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from campaigns.ledger import waves
from tests.cluster import Planned, start
from tests.console import signed_in
from tests.hand import open_window, right, take
from tests.serving import Served
from workers.house import House


def test_a_wave_that_cools_down_says_when_it_begins_and_is_put_off_with_one_click(
    served: Served, house: House, planned: Planned
) -> None:
    """Nothing leaves before, nothing after; "go on" is there as after any pause, and who only looks has no button."""
    wave = start(house, planned(n=40, seed=81, account="sim-smpp", cool_down=timedelta(hours=1)))
    path = f"/console/waves/{wave.id}"
    officer = signed_in(served, house, f"y-{secrets.token_hex(4)}", "officer")
    auditor = signed_in(served, house, f"y-{secrets.token_hex(4)}", "auditor")
    with house.begin() as conn:
        assert take(conn, right(conn, wave.id))[0] == "approval"
    for page in (officer.get(path).body.decode(), officer.get("/console").body.decode()):
        assert "Bắt đầu lúc" in page
        assert ">sắp bắt đầu<" in page
        assert ">Hoãn</button>" in page
    assert ">Hoãn</button>" not in auditor.get(path).body.decode()
    assert officer.post(f"{path}/pause", reason="hoãn trước khi bắt đầu").status == 303
    page = officer.get(path).body.decode()
    assert ">đã hoãn<" in page
    assert "Tiếp tục gửi 40 bản tin" in page
    assert "Bắt đầu lúc" not in page
    home = officer.get("/console").body.decode()
    apart = home.index(">Tạm dừng</h2>")
    assert apart < home.index(f'href="/console/waves/{wave.id}"', apart), "what is paused stands apart from what moves"
    assert f"{wave.name} · 40 người · seed 81" in home[apart:]
    assert "Đang gửi được bình thường" in home
    assert re.search(r"<summary>Đã xong hoặc đã qua từ lâu \(\d+\)</summary>", home), "the letter is of 2024"
    with house.begin() as conn:
        assert take(conn, right(conn, wave.id))[0] == "stopped"
        assert waves.reason(conn, wave.id) == "hoãn trước khi bắt đầu"


def test_a_wave_of_which_something_has_left_is_paused_and_not_put_off(
    served: Served, house: House, planned: Planned
) -> None:
    wave = start(house, planned(n=40, seed=82, account="sim-smpp", batch_size=1000))
    officer = signed_in(served, house, f"y-{secrets.token_hex(4)}", "officer")
    with house.begin() as conn:
        open_window(conn, wave.id, want=5)
    page = officer.get(f"/console/waves/{wave.id}").body.decode()
    assert "Hoãn" not in page
    assert "Tạm dừng</button>" in page
