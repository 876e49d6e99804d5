"""The shop's works as a chart: bars for contenders, readable on light and on dark paper."""

from html import escape

from compare.measured import SHOP, Measured

WIDTH, LABELS, BARS = 820, 230, 400
LINE, HEAD, EDGE = 24, 38, 16
# One accent for ours, one quiet colour for the others; dark paper has its own.
STYLE = """\
text { font: 13px system-ui, "Segoe UI", sans-serif; fill: #1f2328 }
.title { fill: #59636e }
.work { font-weight: 600; font-size: 14px }
.paper { fill: #ffffff }
.theirs { fill: #a3adb8 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .title { fill: #9198a1 }
  .paper { fill: #0d1117 }
  .theirs { fill: #57606a }
  .ours { fill: #4493f8 }
}"""


def chart(measured: Measured) -> str:
    """Draws every work of the shop; the longest bar of each work has the full width.

    Args:
        measured: What was measured.

    Returns:
        An SVG document.
    """
    title = "Seconds per work, shorter is better; every work has its own scale"
    parts = [_text(EDGE, EDGE + 8, title, "title")]
    y = EDGE + HEAD - 6
    works = dict.fromkeys(one.work for one in measured.of(SHOP))
    for work in works:
        names = dict.fromkeys(one.by for one in measured.of(SHOP, work))
        times = {name: measured.seconds(SHOP, work, name) or 0.0 for name in names}
        longest = max(times.values()) or 1.0
        parts.append(_text(EDGE, y + 16, work, "work"))
        y += LINE + 2
        for name, seconds in times.items():
            length = max(2.0, BARS * seconds / longest)
            kind = "ours" if name.startswith("db-sync") else "theirs"
            parts.append(_text(LABELS, y + 16, name, "name", anchor="end"))
            parts.append(
                f'<rect class="{kind}" x="{LABELS + 10}" y="{y + 3}" '
                f'width="{length:.1f}" height="{LINE - 6}" rx="2"/>'
            )
            parts.append(_text(LABELS + 16 + length, y + 16, f"{seconds:.2f} s", "time"))
            y += LINE
        y += HEAD - LINE
    height = y + EDGE // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{title}</title>\n<style>\n{STYLE}\n</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
