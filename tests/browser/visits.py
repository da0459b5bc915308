"""Every page of the console with how to get there, held against the console's own table of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Browser, Page

from campaigns.drafting import DraftState
from campaigns.ledger import agreed, drafts, engineers, lists, logins, orders, resets, trials, waves
from dispatcher import drafts as drafting
from dispatcher import letter_files, standards
from dispatcher.console.application import RULES, SETTINGS
from tests.browser.stage import AN, BINH, Stage
from tests.cluster import CAMPAIGN
from tests.pictures import scan

EVERYBODY = "hoa"
Act = Callable[[Page, Stage], object]


@dataclass(frozen=True, slots=True)
class Visit:
    """One page in one state: its name, its address, who looks, and what is done there first."""

    name: str
    path: str
    who: str = EVERYBODY
    act: Act | None = None
    status: int = 200
    whole: bool = False  # a state that looks quite unlike its page's first one


def _search(page: Page, stage: Stage) -> None:
    number = next(stage.data.rglob("danh-sach-*.csv")).read_text(encoding="utf-8-sig").splitlines()[1].split(",")[2]
    page.get_by_label("Số điện thoại").fill(number)
    page.get_by_label("Lý do").fill("Người dân hỏi đã nhận tin chưa")
    page.get_by_label("Mã xác thực 6 số").fill(stage.phones[EVERYBODY].code())
    page.get_by_role("button", name="Tra cứu").click()


def _wrong_sign_in(page: Page, _stage: Stage) -> None:
    page.get_by_label("Tên đăng nhập").fill("khong-co")
    page.get_by_label("Mật khẩu").fill("không phải mật khẩu này")
    page.get_by_role("button", name="Đăng nhập").click()


def _wrong_count(page: Page, _stage: Stage) -> None:
    page.get_by_label("Gõ lại số người").fill("1")
    page.get_by_label("Mã xác thực 6 số").fill("000000")
    page.get_by_role("button", name="Duyệt gửi cho").click()


def _wrong_hotline(page: Page, _stage: Stage) -> None:
    page.get_by_label("Số điện thoại").fill("+84111")
    page.get_by_role("button", name="Gửi đề nghị thay đổi").click()


def _wrong_route(page: Page, _stage: Stage) -> None:
    page.get_by_label("Tài khoản gửi thay (có thể để trống)").select_option("sim-smpp")
    page.get_by_role("button", name="Gửi đề nghị thay đổi").click()


def _wrong_numbers(page: Page, _stage: Stage) -> None:
    page.locator("#numbers").fill("0912345678\nmáy của phòng")
    page.get_by_role("button", name="Thêm vào danh sách").click()


def _no_list(page: Page, _stage: Stage) -> None:
    page.get_by_label("Tệp").set_input_files({"name": "anh.csv", "mimeType": "text/csv", "buffer": b"\x89PNG\r\n"})
    page.get_by_role("button", name="Đọc tệp").click()


def _wrong_letter(page: Page, _stage: Stage) -> None:
    page.locator("#date").fill("7/25/2024")
    page.locator("#section").fill("năm")
    page.get_by_role("button", name="Lưu và tiếp tục").click()


def _new_authenticator(page: Page, _stage: Stage) -> None:
    page.get_by_role("button", name="Cài ứng dụng xác thực").click()


def _menu(page: Page, _stage: Stage) -> None:
    if page.locator(".menu summary").is_visible():
        page.locator(".menu summary").click()


WAVE = "/console/waves/{wave}"
VISITS: dict[str, tuple[Visit, ...]] = {
    "/console/sign-in": (
        Visit("sign-in", "/console/sign-in", ""),
        Visit("sign-in-wrong", "/console/sign-in", "", _wrong_sign_in, 422),
    ),
    "/console/invitation/{word}": (
        Visit("invitation", "/console/invitation/{word}", ""),
        Visit("invitation-gone", "/console/invitation/used-up", "", status=404),
    ),
    "/console": (
        Visit("home", "/console"),
        Visit("home-menu", "/console", act=_menu),
        Visit("home-engineer", "/console", "ky"),
    ),
    "/console/me": (Visit("me", "/console/me"), Visit("me-new", "/console/me", "tay", _new_authenticator)),
    "/console/campaigns": (Visit("campaigns", "/console/campaigns"),),
    "/console/campaigns/{name}": (Visit("campaign", "/console/campaigns/{name}"),),
    "/console/campaigns/{name}/lists": (
        Visit("lists", "/console/campaigns/{name}/lists"),
        Visit("lists-wrong", "/console/campaigns/{name}/lists", act=_no_list, status=422),
    ),
    "/console/lists/{audience}": (Visit("list", "/console/lists/{audience}"),),
    "/console/campaigns/{name}/plan": (
        Visit("plan-new", "/console/campaigns/{name}/plan"),
        Visit("plan", "/console/campaigns/{name}/plan?wave=2&list={audience}", whole=True),
    ),
    "/console/drafts": (Visit("drafts", "/console/drafts"),),
    "/console/drafts/{draft}/steps/{step}": (
        Visit("draft-letter", "/console/drafts/{draft}/steps/letter"),
        Visit("draft-text", "/console/drafts/{draft}/steps/text", whole=True),
        Visit("draft-people", "/console/drafts/{draft}/steps/people"),
        Visit("draft-schedule", "/console/drafts/{draft}/steps/schedule", whole=True),
        Visit("draft-forecast", "/console/drafts/{draft}/steps/forecast"),
        Visit("draft-review", "/console/drafts/{draft}/steps/review", whole=True),
        Visit("draft-empty", "/console/drafts/{empty}/steps/letter"),
        Visit("draft-wrong", "/console/drafts/{empty}/steps/letter", act=_wrong_letter, status=422),
        Visit("draft-review-empty", "/console/drafts/{empty}/steps/review"),
    ),
    "/console/drafts/{draft}/versions": (Visit("draft-versions", "/console/drafts/{draft}/versions"),),
    "/console/accounts": (Visit("accounts", "/console/accounts"),),
    "/console/accounts/{account}": (
        Visit("account", "/console/accounts/sim-smpp"),
        Visit("account-trial", "/console/accounts/smpp-a", act=_wrong_numbers, status=422),
    ),
    "/console/approvals": (Visit("approvals", "/console/approvals"),),
    WAVE: (
        Visit("wave-planned", "/console/waves/{planned}"),
        Visit("wave-running", "/console/waves/{running}", whole=True),
        Visit("wave-paused", "/console/waves/{paused}"),
        Visit("wave-cancelled", "/console/waves/{cancelled}"),
        Visit("wave-finished", "/console/waves/{finished}"),
    ),
    f"{WAVE}/cancel": (Visit("cancel", "/console/waves/{paused}/cancel"),),
    f"{WAVE}/approve": (
        Visit("approve", "/console/waves/{planned}/approve"),
        Visit("approve-wrong", "/console/waves/{planned}/approve", "nga", act=_wrong_count, status=422),
        Visit("approve-own", "/console/waves/{planned}/approve", "an"),
        Visit("approve-decided", "/console/waves/{finished}/approve"),
    ),
    f"{WAVE}/correct": (
        Visit("correct", "/console/waves/{finished}/correct"),
        Visit("correct-paused", "/console/waves/{paused}/correct"),
    ),
    f"{WAVE}/resend": (Visit("resend", "/console/waves/{cancelled}/resend?to=rest"),),
    "/console/carriers": (
        Visit("carriers", "/console/carriers"),
        Visit("carriers-engineer", "/console/carriers", "ky"),
    ),
    "/console/carriers/{account}": (Visit("carrier", "/console/carriers/sim-smpp"),),
    "/console/deputies": (Visit("deputies", "/console/deputies"),),
    "/console/orders": (Visit("orders", "/console/orders"),),
    "/console/orders/{order}": (
        Visit("order", "/console/orders/{order}"),
        Visit("order-corrected", "/console/orders/{corrected}"),
    ),
    "/console/messages": (
        Visit("messages-empty", "/console/messages"),
        Visit("messages", "/console/messages", act=_search),
    ),
    "/console/audit": (Visit("audit", "/console/audit"),),
    "/console/stop": (Visit("stop", "/console/stop"),),
    SETTINGS: (Visit("settings", SETTINGS),),
    f"{SETTINGS}/hotlines": (
        Visit("hotlines", f"{SETTINGS}/hotlines", "minh"),
        Visit("hotlines-filled", f"{SETTINGS}/hotlines?number=111", "minh"),
        Visit("hotlines-wrong", f"{SETTINGS}/hotlines", "minh", act=_wrong_hotline, status=422),
    ),
    f"{SETTINGS}/prices": (Visit("prices", f"{SETTINGS}/prices", "minh"),),
    f"{SETTINGS}/changes/{{change}}": (
        Visit("change", f"{SETTINGS}/changes/{{change}}", "minh", whole=True),
        Visit("change-route", f"{SETTINGS}/changes/{{route_change}}", "minh"),
        Visit("change-sender", f"{SETTINGS}/changes/{{sender_change}}", "minh", whole=True),
    ),
    f"{SETTINGS}/hours": (Visit("hours", f"{SETTINGS}/hours"),),
    f"{SETTINGS}/routes": (
        Visit("routes", f"{SETTINGS}/routes"),
        Visit("routes-wrong", f"{SETTINGS}/routes", "minh", act=_wrong_route, status=422),
        Visit("routes-tried", f"{SETTINGS}/routes?list={{audience}}"),
    ),
    f"{SETTINGS}/senders": (Visit("senders", f"{SETTINGS}/senders"),),
    f"{SETTINGS}/limits": (Visit("limits", f"{SETTINGS}/limits"),),
    "/console/people": (Visit("people", "/console/people"),),
    "": (Visit("nowhere", "/console/none", status=404), Visit("forbidden", "/console/people", "an", status=403)),
}
NO_PAGES = {
    "/",  # sends on to the console
    "/console/drafts/{draft}",  # sends on to the draft's first open step
    "/console/static/{name}",
    "/console/drafts/{draft}/files/{file}",  # a file of somebody else, not a page
    "/console/lists/{audience}/verdicts.csv",
    f"{WAVE}/live",
    f"{WAVE}/report.docx",
    "/console/sign-in/province",  # sends on to the issuer, and back from it
    "/console/sign-in/province/back",
}


def pages_of_the_console() -> set[str]:
    """Every address that answers GET with a page, from the table of routes."""
    return {rule.path for rule in RULES if rule.method == "GET"} - NO_PAGES


def every() -> list[Visit]:
    """All visits, in the order of the table."""
    return [visit for visits in VISITS.values() for visit in visits]


def pictured(page: Page) -> None:
    """Wait for the pictures that can be seen: they may come after the page has loaded."""
    page.evaluate("() => Promise.all([...document.images].filter(i => i.checkVisibility()).map(i => i.decode()))")


@contextmanager
def visited(browser: Browser, stage: Stage, visit: Visit, there: dict[str, object], **wishes: object) -> Iterator[Page]:
    """The page of a visit, its act done, in a browser of its own."""
    context = stage.enter(browser, visit.who, **wishes)
    page = context.pages[0] if context.pages else context.new_page()
    statuses: list[int] = []
    page.on("response", lambda each: statuses.append(each.status) if each.request.is_navigation_request() else None)
    page.goto(visit.path.format(**there), wait_until="load")
    if visit.act:
        visit.act(page, stage)
        page.wait_for_load_state("load")
    assert statuses[-1] == visit.status, (visit.name, statuses)
    pictured(page)
    try:
        yield page
    finally:
        context.close()


def places(stage: Stage, folder: Path) -> dict[str, object]:
    """What stands in the addresses: waves in each state, a list, orders, an invitation."""
    stage.word_of("ky")
    stage.word_of(EVERYBODY)
    paused = stage.start(stage.plan(folder, "Thuê bao huyện Sìn Hồ", n=1200, seed=902))
    running = stage.start(stage.plan(folder, "Thuê bao thành phố và các huyện", n=20_000, seed=903))
    cancelled = stage.start(stage.plan(folder, "Thuê bao huyện Phong Thổ", n=300, seed=904))
    draft, empty = drafting.begin(stage.house, AN, CAMPAIGN), drafting.begin(stage.house, AN)
    paper = folder / "công văn 20 BCĐ.png"
    paper.write_bytes(scan())
    submitted = drafting.begin(stage.house, AN, CAMPAIGN)
    for each in (draft, submitted):
        letter_files.take(stage.house, each.id, paper, AN.login)
    planned = stage.plan(folder, "Thuê bao huyện Tam Đường", n=700, seed=901)
    with stage.house.begin() as conn:
        waves.move(conn, paused.id, AN.login, "pause", "Xem lại nội dung với nhà mạng")
        waves.move(conn, cancelled.id, AN.login, "cancel", "Danh sách có nhầm địa bàn")
        first = next(each for each in waves.all_waves(conn) if each.no == 1)
        found = orders.all_orders(conn)
        engineers.tie(conn, "ky", ["sim-smpp"], "minh")
        word = logins.invite(conn, "ky", "minh")
        trials.enter(conn, "smpp-a", BINH, "Thử tuyến mới")
        resets.ask(conn, "ky", "Mất điện thoại khi đi cơ sở", "minh")
        audience = lists.of_campaign(conn, CAMPAIGN)[-1].id
        today = standards.today()
        change = agreed.propose(conn, agreed.HOTLINE, "111", {"ended": True}, today, "thử", AN.login, today)
        other = {"accounts": ["sim-smpp"]}
        route = agreed.propose(conn, agreed.ROUTE, "viettel", other, today, "Hợp đồng mới", AN.login, today)
        named = {"account": "sim-smpp", "carrier": "viettel", "sender": "UBNDLaiChau"}
        sender = agreed.propose(conn, agreed.SENDER, "sim-smpp viettel", named, today, "Tên mới", AN.login, today)
        drafts.save(conn, draft.id, draft.newest.version, "people", {"audience": str(audience)}, AN.login)
        made = {"campaign": CAMPAIGN, "campaign_version": 1, "sha256": sha256(scan()).hexdigest()}
        drafts.move(conn, submitted.id, submitted.newest.version, DraftState.SUBMITTED, AN.login, **made)
    corrected = next(order for order in found if order.plan.carrier == "mobifone")
    return {
        "name": CAMPAIGN,
        "draft": draft.id,
        "empty": empty.id,
        "planned": planned.id,
        "running": running.id,
        "paused": paused.id,
        "cancelled": cancelled.id,
        "finished": first.id,
        "audience": audience,
        "order": found[0].id,
        "corrected": corrected.id,
        "word": word,
        "change": change,
        "route_change": route,
        "sender_change": sender,
    }
