"""A report's numbers as JSON.

Here: every table unrounded, with NaN and infinities as null. Not here: pictures (their titles, captions and
hashes only).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from models.report.content import ReportContent, Table


def render_json(content: ReportContent) -> str:
    """Return ``content`` as JSON text, keys in reading order; valid under the strict standard (no NaN)."""
    tree = {
        "study": content.study,
        "title": content.title,
        "night": content.night,
        "description": content.description,
        "timezone": content.timezone,
        "provenance": content.provenance,
        "notices": content.notices,
        "highlights": [{"label": h.label, "value": h.value, "note": h.note} for h in content.highlights],
        "sections": [
            {
                "title": section.title,
                "text": section.text,
                "tables": [_table(table) for table in section.tables],
                "figures": [
                    {"title": f.title, "caption": f.caption, "sha256": hashlib.sha256(f.png).hexdigest()}
                    for f in section.figures
                ],
            }
            for section in content.sections
        ],
    }
    return json.dumps(plain(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "note": table.note,
        "columns": table.frame.columns,
        "rows": table.frame.to_dicts(),
    }


def plain(value: Any) -> Any:
    """``value`` with only JSON's types: non-finite numbers become null, anything unknown its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return plain(value.item()) if hasattr(value, "item") else str(value)
