"""The admin in a real browser: on a phone and a desk, light and dark, in both languages."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from browser import DESKTOP, HERE, PHONE, chromium, hold, served
from example_shop import SHOP, Site
from queued_shop import QueuedShop, until
from sides import HANGS

NAME, PASSWORD = "anna", "browser-test-secret"
# The language that a browser prefers, and words that a page then has.
LANGUAGES = {"en": "Keep LOCAL's row", "zh-CN": "保留 LOCAL 的行"}
PAGES = (
    "",
    "db_sync/",
    "db_sync/dashboard/",
    "db_sync/synclog/",
    "db_sync/synclog/1/change/",
    "db_sync/syncconfig/",
    "db_sync/syncconfig/1/change/",
    "db_sync/syncconflict/",
    "db_sync/syncconflict/?state=all",
    "db_sync/syncconflict/1/change/",
)
# A name and a key that are longer than a column is wide.
LONG, KEY = "warehouse_stock_movement_history_entry", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
_CONTRAST = """
const light = text => {
  const parts = text.match(/[\\d.]+/g).map(Number);
  const [r, g, b] = parts.slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return {value: 0.2126 * r + 0.7152 * g + 0.0722 * b, seen: parts.length < 4 || parts[3] > 0};
};
const behind = element => {
  for (let one = element; one; one = one.parentElement) {
    const found = light(getComputedStyle(one).backgroundColor);
    if (found.seen) return found.value;
  }
  return 1;
};
const contrast = (ink, paper) => {
  const [dark, bright] = [ink, paper].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
"""
# Words of ours that are too faint: WCAG 2 asks for a contrast of 4.5.
FAINT = (
    _CONTRAST
    + """
const ours = document.querySelectorAll('[class*="db-sync"], .db-sync #content-main *');
return [...ours].filter(one => [...one.childNodes].some(
    node => node.nodeType === 3 && node.textContent.trim()) && one.getClientRects().length
  ).map(one => {
    const style = getComputedStyle(one);
    const ink = light(one.tagName === 'text' ? style.fill : style.color).value;
    return [one.textContent.trim(), contrast(ink, behind(one))];
  }).filter(([, found]) => found < 4.5);
"""
)
# Marks whose edge cannot be seen against what they stand on: WCAG 2 asks for 3.
EDGELESS = (
    _CONTRAST
    + """
return [...document.querySelectorAll('.db-sync-badge')].map(one => {
    const edge = light(getComputedStyle(one).borderTopColor).value;
    return [one.textContent.trim(), contrast(edge, behind(one.parentElement))];
  }).filter(([, found]) => found < 3);
"""
)
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """
return [...document.querySelectorAll('#changelist .results')]
  .map(list => list.scrollWidth - list.clientWidth).filter(more => more > 0);
"""
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
BARS = """
return [...document.querySelectorAll('.db-sync-bar, .db-sync-line, .db-sync-dot')]
  .map(bar => [bar.getBoundingClientRect(), getComputedStyle(bar)])
  .filter(([box, style]) => box.width * box.height > 0 || style.strokeWidth !== '0px').length;
"""


@dataclass
class BrowsedShop(QueuedShop):
    """A shop with a queue that may sync, and a person who may do everything."""

    changes: int = 0

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes, the web server's among them."""
        paths = [HERE, SHOP, *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **super().environment,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def differ(self, *keys: int) -> dict[str, float]:
        """Changes products on both sides, so that the next sync leaves them to a person.

        Returns:
            The price that each side has now, which no side had before.
        """
        self.changes += 1
        prices = {"remote": self.changes + 0.25, "local": self.changes + 0.75}
        for side, price in prices.items():
            for key in keys:
                self.query(side, "UPDATE shop_product SET price = ? WHERE id = ?", price, key)
        self.sync("--conflict", "manual", status=3)
        return prices

    def prices(self, side: str, *keys: int) -> list[float]:
        """The products' prices on one side."""
        places = ", ".join("?" for _ in keys)
        sql = f"SELECT price FROM shop_product WHERE id IN ({places}) ORDER BY id"  # noqa: S608
        return [float(price) for (price,) in self.query(side, sql, *keys)]

    def open_conflicts(self) -> int:
        """How many wait for a person."""
        sql = "SELECT COUNT(*) FROM db_sync_conflict WHERE state = 'PENDING'"
        return int(self.query("local", sql)[0][0])


@pytest.fixture(scope="module")
def shop(seeded: Site, tmp_path_factory: pytest.TempPathFactory) -> BrowsedShop:
    """A shop that was synced once, with one open conflict."""
    folder = tmp_path_factory.mktemp("browsed") / "site"
    shutil.copytree(seeded.folder, folder)
    shop = BrowsedShop(folder, {"orm": "default"})
    with (folder / ".env").open("a") as file:
        file.write("\nDB_SYNC_ENABLED=True\n")
    shop.manage("migrate", "django_q", "--verbosity=0")
    shop.manage("createsuperuser", "--noinput", f"--username={NAME}", "--email=anna@example.com")
    for side in ("remote", "local"):
        shop.query(side, f"CREATE TABLE {LONG} (id char(32) PRIMARY KEY, kept_on_each_side text)")
        shop.query(side, f"INSERT INTO {LONG} VALUES (?, ?)", KEY, side)  # noqa: S608
    shop.sync("--type", "FULL")
    # What a strategy has decided is on the list too, and so are rules.
    assert shop.query("local", "SELECT winner FROM db_sync_conflict") == [("REMOTE",)]
    shop.manage("sync_config", "set", LONG, "ignore=kept_on_each_side")
    shop.differ(2)
    return shop


@pytest.fixture(scope="module")
def address(shop: BrowsedShop) -> Iterator[str]:
    with served(shop.folder, shop.environment) as url:
        yield f"{url}/admin/"


@pytest.fixture(scope="module", params=list(LANGUAGES))
def browser(request: pytest.FixtureRequest, address: str) -> Iterator[Chrome]:
    """A browser whose owner has signed in."""
    with chromium(request.param) as browser:
        hold(browser, DESKTOP)
        browser.get(address)
        browser.find_element(By.NAME, "username").send_keys(NAME)
        browser.find_element(By.NAME, "password").send_keys(PASSWORD)
        browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
        yield browser


def complaints(browser: Chrome) -> list[dict[str, Any]]:
    """What the browser has complained of since, but for a picture that it looks for by itself."""
    said = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [one for one in said if "favicon.ico" not in one["message"]]


def told(browser: Chrome) -> list[str]:
    """The levels of the messages on the page."""
    found = browser.find_elements(By.CSS_SELECTOR, ".messagelist li")
    return [str(one.get_attribute("class")) for one in found]


@contextmanager
def next_page(browser: Chrome) -> Iterator[None]:
    """Waits until a click has led to another page: a decision takes its time."""
    page = browser.find_element(By.TAG_NAME, "html")
    yield
    WebDriverWait(browser, HANGS).until(staleness_of(page))


def press(browser: Chrome, keep: str) -> None:
    with next_page(browser):
        browser.find_element(By.CSS_SELECTOR, f"button[name=keep][value={keep}]").click()


def act(browser: Chrome, action: str) -> None:
    """Chooses every row of a list and an action."""
    browser.find_element(By.ID, "action-toggle").click()
    Select(browser.find_element(By.NAME, "action")).select_by_value(action)
    with next_page(browser):
        browser.find_element(By.CSS_SELECTOR, ".actions .button").click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_every_page_fits_and_can_be_read(
    browser: Chrome, address: str, size: tuple[int, int], dark: bool
) -> None:
    hold(browser, size, dark=dark)
    complaints(browser)
    for page in PAGES:
        browser.get(address + page)
        assert "404" not in browser.title, page
        assert browser.execute_script(OVERFLOW) <= 0, page
        assert browser.execute_script(CUT) == [], page
        assert browser.execute_script(FAINT) == [], page
        assert browser.execute_script(EDGELESS) == [], page
        paper = browser.execute_script(BACKGROUND)
        assert paper == ("rgb(18, 18, 18)" if dark else "rgb(255, 255, 255)"), page
        assert complaints(browser) == [], page


def test_charts_are_drawn(browser: Chrome, address: str) -> None:
    browser.get(f"{address}db_sync/dashboard/")
    assert browser.execute_script(BARS) > 10


def test_the_sites_own_switch_of_colours_is_followed(browser: Chrome, address: str) -> None:
    hold(browser, DESKTOP)
    browser.get(f"{address}db_sync/dashboard/")
    colour = "return getComputedStyle(document.querySelector('.db-sync-good')).fill"
    badge = (
        "return getComputedStyle(document.querySelector('.db-sync-badge.db-sync-good'))"
        ".backgroundColor"
    )
    before = browser.execute_script(colour), browser.execute_script(badge)
    for theme in ("light", "dark"):
        browser.execute_script(f"localStorage.setItem('theme', '{theme}')")
        browser.refresh()
        now = browser.execute_script(colour), browser.execute_script(badge)
        changed = [one != other for one, other in zip(now, before, strict=True)]
        assert changed == ([False, False] if theme == "light" else [True, True])
        assert browser.execute_script(FAINT) == []
    browser.execute_script("localStorage.removeItem('theme')")


def test_a_button_decides_a_conflict(browser: Chrome, address: str, shop: BrowsedShop) -> None:
    prices = shop.differ(10)
    hold(browser, PHONE)
    browser.get(f"{address}db_sync/syncconflict/?table=shop_product")
    browser.find_element(By.LINK_TEXT, "id=10").click()
    words = browser.find_element(By.ID, "content").text
    assert any(button in words for button in LANGUAGES.values())
    assert all(str(price) in words for price in prices.values())
    assert words.count("≠") == 1
    press(browser, "LOCAL")
    assert told(browser) == ["success"]
    assert shop.prices("remote", 10) == shop.prices("local", 10) == [prices["local"]]
    assert complaints(browser) == []


def test_it_speaks_the_browsers_language(browser: Chrome, address: str) -> None:
    browser.get(f"{address}db_sync/syncconflict/1/change/")
    language = browser.execute_script("return document.documentElement.lang")
    wanted = LANGUAGES["en" if language.startswith("en") else "zh-CN"]
    assert wanted in browser.find_element(By.ID, "content").text


def test_decisions_need_no_script(browser: Chrome, address: str, shop: BrowsedShop) -> None:
    prices = shop.differ(20)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{address}db_sync/dashboard/")
        assert browser.find_elements(By.CSS_SELECTOR, "svg.db-sync-chart")
        browser.get(f"{address}db_sync/syncconflict/?table=shop_product")
        browser.find_element(By.LINK_TEXT, "id=20").click()
        press(browser, "REMOTE")
        assert told(browser) == ["success"]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert shop.prices("local", 20) == [prices["remote"]]


def test_many_are_decided_by_a_worker(browser: Chrome, address: str, shop: BrowsedShop) -> None:
    keys = (30, 31, 32)
    prices = shop.differ(*keys)
    hold(browser, PHONE)
    browser.get(f"{address}db_sync/syncconflict/?table=shop_product&time=hour")
    act(browser, "keep_local")
    assert browser.execute_script(OVERFLOW) <= 0
    assert browser.execute_script(FAINT) == []
    waiting = shop.open_conflicts()
    assert waiting >= 3
    press(browser, "LOCAL")
    assert told(browser) == ["success"]
    assert shop.open_conflicts() == waiting
    with shop.clusters():
        until(lambda: shop.open_conflicts() == 0, "all decided")
    for side in prices:
        assert shop.prices(side, *keys) == [prices["local"]] * 3
    by = "SELECT DISTINCT resolved_by FROM db_sync_conflict WHERE table_name = 'shop_product'"
    assert shop.query("local", by) == [(NAME,)]
    # The next test and the other language find a conflict again.
    shop.differ(2)


def test_a_sync_is_left_to_a_worker(browser: Chrome, address: str, shop: BrowsedShop) -> None:
    tags = "FROM db_sync_log WHERE triggered_by = 'MANUAL' AND table_name = 'shop_tag'"
    runs = f"SELECT COUNT(DISTINCT run_id) {tags}"  # noqa: S608
    [(before,)] = shop.query("local", runs)
    browser.get(f"{address}db_sync/syncconfig/?q=shop_tag")
    act(browser, "sync_now")
    assert told(browser) == ["success"]
    assert shop.query("local", runs) == [(before,)]
    with shop.clusters():
        until(lambda: shop.query("local", runs) == [(before + 1,)], "one more run")
    browser.get(f"{address}db_sync/synclog/?triggered_by__exact=MANUAL")
    assert "shop_tag" in browser.find_element(By.ID, "result_list").text
    report = json.dumps(shop.query("local", "SELECT DISTINCT status FROM db_sync_log"))
    assert "FAILED" not in report
