"""The report: one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from support.stored import S, Stored, checkout_logs, failing_checkout, metric_request, span_id, trace_id
from trax_otel.local import report as reporting
from trax_otel.local.report import write_report

if TYPE_CHECKING:
    import pytest


def written(stored: Stored, tmp_path: Path) -> str:
    path = write_report(stored.queries, tmp_path / "made" / "report.html")
    assert path == tmp_path / "made" / "report.html"
    return path.read_text("utf-8")


def test_the_report_holds_tables_errors_and_failing_traces_with_logs(stored: Stored, tmp_path: Path) -> None:
    stored.spans(*failing_checkout()).logs(*checkout_logs()).metrics(metric_request(minutes=1))
    stored.spans(S(900, "GET /health", None, 5_000, 3, 2))
    text = written(stored, tmp_path)
    for part in ("POST /checkout", "SELECT orders", "Look whether the peer is up", "payment failed for good", "GET /health",
                 "srv/shop/payment.py", "waited 108 ms", f'id="t-{trace_id(1)}"', f'id="s-{span_id(5)}"'):  # fmt: skip
        assert part in text, part
    assert f'id="t-{trace_id(2)}"' not in text, "only what fails is drawn"


def test_the_report_asks_for_nothing_outside_itself(stored: Stored, tmp_path: Path) -> None:
    stored.spans(*failing_checkout())
    text = written(stored, tmp_path)
    targets = re.findall(r"""(?:href|src|action)=["']?([^"'\s>]*)""", text)
    assert targets
    assert all(target.startswith("#") for target in targets)
    anchors = set(re.findall(r'id="([^"]+)"', text))
    assert {target[1:] for target in targets} <= anchors, "every link leads somewhere"
    assert "url(" not in text
    assert "@import" not in text


def test_its_policy_allows_its_own_style_and_script_only(stored: Stored, tmp_path: Path) -> None:
    text = written(stored, tmp_path)
    policy = text.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith("default-src &#39;none&#39;;")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy


def test_without_failures_the_newest_traces_are_drawn(stored: Stored, tmp_path: Path) -> None:
    stored.spans(S(1, "GET /", None, 0, 3, 1))
    text = written(stored, tmp_path)
    assert "Newest traces" in text
    assert "No error has arrived." in text
    assert f'id="t-{trace_id(1)}"' in text


def test_the_report_can_be_read_by_its_owner_alone(stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("an old one")
    assert write_report(stored.queries, tmp_path / "r.html").stat().st_mode & 0o777 == 0o600


def test_an_empty_store_makes_a_report_that_says_so(stored: Stored, tmp_path: Path) -> None:
    assert "Nothing had arrived when this report was made." in written(stored, tmp_path)


def test_what_is_too_long_is_left_out_and_said(stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "MAX_SPANS", 5)
    stored.spans(*failing_checkout(), S(900, "small", None, 5_000, 3, 2, error="no"))
    text = written(stored, tmp_path)
    assert "1 trace left out" in text
    assert f'id="t-{trace_id(2)}"' in text
    assert f'id="t-{trace_id(1)}"' not in text
