"""How drawings look: letters of the effect classes, one style sheet for light and dark pages.

Every rule begins with `.perdure`, so a drawing set into a page neither takes nor gives colours. No
CSS variables: renderers outside browsers do not know them.
"""

from __future__ import annotations

from collections.abc import Mapping

BADGES: Mapping[str, str] = {
    "pure": "P",
    "observe": "O",
    "idempotent": "I",
    "transactional": "T",
    "compensatable": "C",
    "irreversible": "!",
}

# effect: (on a light page, on a dark one)
_COLOURS: Mapping[str, tuple[str, str]] = {
    "pure": ("#64748b", "#94a3b8"),
    "observe": ("#0e7490", "#22b8cf"),
    "idempotent": ("#15803d", "#4ade80"),
    "transactional": ("#1d4ed8", "#7aa2ff"),
    "compensatable": ("#b45309", "#fbbf24"),
    "irreversible": ("#be123c", "#fb7185"),
    "event": ("#6d28d9", "#b794f6"),
}

_MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_SANS = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif"

_FORM = (
    f"text{{font:11px {_SANS}}}",
    f".name,.code,.tag,.number,.pill text{{font:12px {_MONO}}}",
    ".code{font-size:10.5px}",
    f".label,.lane{{font:10.5px {_SANS}}}",
    f".title{{font:600 14px {_MONO}}}",
    ".number{text-anchor:end;font-size:10px}",
    f".badge text{{font:700 11px {_SANS};text-anchor:middle}}",
    ".pill text{text-anchor:middle;font-size:11px}",
    ".edge{fill:none;stroke-width:1.4}",
    ".edge.dashed{stroke-dasharray:3 3}",
    ".place circle{stroke-width:1.6}",
    ".card>rect{stroke-width:1.6}",
    ".frame rect{fill:none;stroke-width:1.3}",
    ".scope rect{stroke-dasharray:6 4}",
    ".try rect{stroke-dasharray:2 3}",
    ".diamond path{stroke-width:1.5}",
    ".pill rect{stroke-width:1.2}",
)


def _paint(side: int, page: str, ink: str, soft: str, faint: str, token: str) -> list[str]:
    """The colours of one side."""
    rules = [
        f".page,.behind{{fill:{page}}}",
        f".name,.title,.pill text{{fill:{ink}}}",
        f".label,.lane,.code,.tag,.number{{fill:{soft}}}",
        f".edge{{stroke:{soft}}}",
        f".head{{fill:{soft}}}",
        f".place circle{{fill:{page};stroke:{ink}}}",
        f".place .token{{fill:{token};stroke:none}}",
        f".card>rect,.pill rect,.diamond path{{fill:{page};stroke:{soft}}}",
        f".frame rect{{stroke:{faint}}}",
        f".bar rect{{fill:{ink}}}",
        f".badge text{{fill:{page}}}",
    ]
    for effect, colours in _COLOURS.items():
        rules += [
            f".card.{effect}>rect{{stroke:{colours[side]}}}",
            f".badge.{effect} rect{{fill:{colours[side]}}}",
        ]
    return rules


def _sheet(rules: list[str]) -> str:
    out: list[str] = []
    for rule in rules:
        selectors, _, body = rule.partition("{")
        out.append(",".join(f".perdure {s}" for s in selectors.split(",")) + "{" + body)
    return "".join(out)


LIGHT = _sheet([*_FORM, *_paint(0, "#ffffff", "#1e293b", "#64748b", "#a8b3c4", "#ea580c")])
DARK = _sheet(_paint(1, "#0f172a", "#e2e8f0", "#94a3b8", "#475569", "#fb923c"))
STYLE = f"{LIGHT}@media (prefers-color-scheme:dark){{{DARK}}}"
