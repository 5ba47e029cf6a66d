"""A fit as one HTML file: what was measured and fitted, what the recording cannot tell, simulated beside real frames.

Pictures are inline, so that the file can be sent on its own. Data flows: `FitResult` -> figures -> HTML.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagnet_ros.sensors import SensorProfile
from pagnet_ros.system.files import replaced
from pagnet_training.json_file import explained
from pagnet_training.sensors import report_figures
from pagnet_training.sensors.realism import FIGURES, real_and_simulated

if TYPE_CHECKING:
    from pagnet_training.sensors.fit import FitResult


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: 0.9rem; } td, th { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; }
th { border-bottom: 1px solid #999; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } figure { margin: 1rem 0; } figcaption { color: #555; font-size: 0.9rem; }
"""


def write_report(path: Path, result: FitResult, recording: str) -> None:
    """Write the report.

    Args:
        path: HTML file.
        result: The fit.
        recording: What to call the recording.

    Raises:
        ConfigError: The file cannot be written.
    """
    text = "\n".join(_page(result, recording))
    with explained(path, "the report"), replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(result: FitResult, recording: str) -> Iterable[str]:
    quality, motion = result.quality, result.motion
    name = html.escape(result.profile.name)
    yield f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{name}</title>"
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>Sensor profile {name}</h1>"
    low, high = result.curves.covered_m
    yield (
        f"<p>Fitted to {html.escape(recording)}: {quality.frames} frames of {quality.shape[1]}x{quality.shape[0]}, "
        f"{quality.missing / max(quality.frames, 1):.1%} of the pixels missing. {_MODES[motion.mode]} The image moves "
        f"by {motion.shift_px:.1f} pixels from frame to frame. Covered: {low:.2f} m to {high:.2f} m.</p>"
    )
    yield "<h2>What this recording cannot tell</h2><ul>"
    yield from (f"<li>{html.escape(warning)}</li>" for warning in result.warnings)
    yield "</ul><h2>Real beside simulated</h2>"
    yield _figure(
        report_figures.frames(result),
        "One frame, the depth that was probably there (from neighbouring frames, holes filled), and what the profile's "
        "sensor would have delivered of it. White: no measurement.",
    )
    yield from _likeness(result)
    yield "<h2>Noise</h2>"
    yield _figure(report_figures.noise(result), _NOISE_CAPTION)
    yield "<h2>Missing pixels</h2>"
    yield _figure(report_figures.missing(result), "Away from depth edges, and at them. Points: measured; bands: 95 %.")
    if result.bias is not None:
        yield "<h2>Bias</h2>"
        yield _figure(report_figures.bias(result), "Measurement minus reference.")
    yield "<h2>Every fitted number</h2>"
    yield from _table(result.profile)
    yield "</body></html>"


_MODES = {
    "still": "The camera stood still: noise is the difference of frames at the same pixel.",
    "poses": "The camera moved: noise is the difference of measurements of the same surface point, carried by the "
    "poses, which were mended on the depth itself.",
    "slow": "The camera moved a little, without poses: noise is the difference of neighbouring frames at one pixel.",
    "space": "Frames were taken one by one: noise is what is left of surfaces after local planes.",
}
_NOISE_CAPTION = (
    "Standard deviation by depth (points with 95 % intervals: measured; band: the profile's curve at ordinary "
    "brightness and angle; dashed: its form beyond the curve), and the factors of brightness and angle."
)


def _figure(figure: Any, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = html.escape(caption)
    return f"<figure><img alt='{text}' src='data:image/png;base64,{data}'><figcaption>{text}</figcaption></figure>"


def _likeness(result: FitResult) -> Iterable[str]:
    """Realism figures of some frames, real and simulated."""
    real, simulated = real_and_simulated(result.samples, result.profile)
    yield (
        f"<p>Counted on {len(result.samples)} frames of the recording, and on as many simulated ones of what was "
        "there:</p><table><tr><th></th><th>real</th><th>simulated</th><th>ratio</th></tr>"
    )
    for name, meaning in FIGURES.items():
        pair = real[name], simulated[name]
        ratio = f"{pair[1] / pair[0]:.2f}" if pair[0] > 0 else ""
        numbers = "".join(f"<td class='number'>{text}</td>" for text in (*(f"{value:.2f}" for value in pair), ratio))
        yield f"<tr><td>{html.escape(meaning)}</td>{numbers}</tr>"
    yield "</table>"


def _table(profile: SensorProfile) -> Iterable[str]:
    yield "<table><tr><th>field</th><th>value</th><th>95 % interval</th><th>samples</th><th>from</th></tr>"
    for field, evidence in profile.evidence.items():
        value = getattr(profile, field)
        shown, interval = _shown(value), ""
        if isinstance(value, tuple):
            interval = "see the figure"
        elif evidence.low is not None and evidence.high is not None:
            interval = f"{evidence.low:.4g} to {evidence.high:.4g}"
        yield (
            f"<tr><td>{field}</td><td>{html.escape(shown)}</td><td>{interval}</td>"
            f"<td class='number'>{evidence.samples}</td><td>{html.escape(evidence.source)}</td></tr>"
        )
    yield "</table>"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        ends = (value[0], value[-1])
        return " … ".join(f"{y:.4g} at {x:.3g}" for x, y in ends)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
