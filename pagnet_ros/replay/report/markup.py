"""HTML from Python calls, with everything escaped that is not already HTML.

Owns the rule that nothing from a recording (topic names, frame ids, file names, error texts) can become markup: plain
strings are escaped, only `Html` goes in as it is, and control characters are shown instead of obeyed. Pure.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

__all__ = ["Html", "Node", "element", "escape", "fragment"]

VOID = frozenset({"br", "hr", "img", "link", "meta"})
"""Elements that HTML never closes."""
DRAWN = frozenset({"circle", "line", "path", "rect"})
"""Elements of SVG that close themselves."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Node = str | float | int | None | Iterable["Node"]


def escape(value: object) -> Html:
    r"""Plain text as HTML.

    Args:
        value: Anything; its `str` is taken. `Html` comes back unchanged.

    Returns:
        The text with markup characters escaped, for use between tags or in a quoted attribute. Control, format and
        surrogate characters (which could turn the reading direction, or end a document) are shown as ``\u202e``.
    """
    if isinstance(value, Html):
        return value
    shown = "".join(
        char if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else f"\\u{ord(char):04x}"
        for char in str(value)
    )
    return Html(html.escape(shown, quote=True))


def fragment(*children: Node) -> Html:
    """Children one after the other; None is left out, strings are escaped, iterables are walked."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | float | int):
            parts.append(escape(child))
        else:
            parts.append(fragment(*child))
    return Html("".join(parts))


def element(tag: str, /, *children: Node, **attributes: object) -> Html:
    """One element.

    Args:
        tag: Its name.
        children: See `fragment`.
        attributes: Their values are escaped. None leaves an attribute out, True gives one without a value. A trailing
            underscore is dropped (``class_``), others become hyphens (``stroke_width``); ``viewBox`` stays as it is.

    Returns:
        The element.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in DRAWN:
        return Html(f"<{tag}{written}/>" if not children else f"<{tag}{written}>{fragment(*children)}</{tag}>")
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{fragment(*children)}</{tag}>")
