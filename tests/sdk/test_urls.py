"""What leaves a URL before it is sent, and what stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.sdk.urls import without_secrets


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ann:s3cret@shop.example/a", "https://REDACTED:REDACTED@shop.example/a"),
        ("https://token@shop.example/a?b=c@d", "https://REDACTED:REDACTED@shop.example/a?b=c@d"),
        ("https://a@b:p@ss@shop.example", "https://REDACTED:REDACTED@shop.example"),
        ("//ann:s3cret@shop.example/a", "//REDACTED:REDACTED@shop.example/a"),
        ("https://shop.example/a?token=abc&page=2", "https://shop.example/a?token=REDACTED&page=2"),
        ("/a?page=2&API_KEY=abc#top", "/a?page=2&API_KEY=REDACTED#top"),
        ("/a?access%5Ftoken=abc", "/a?access%5Ftoken=REDACTED"),
        ("/a?X-Amz-Signature=abc;password=d", "/a?X-Amz-Signature=REDACTED;password=REDACTED"),
        ("token=abc&token=def&x=1", "token=REDACTED&token=REDACTED&x=1"),
        ("/callback#access_token=abc&state=x", "/callback#access_token=REDACTED&state=x"),
        ("https://shop.example/#/login?token=abc", "https://shop.example/#/login?token=REDACTED"),
        ("/a?key=abc&keyword=shoes&author=ann", "/a?key=REDACTED&keyword=shoes&author=ann"),
    ],
)
def test_user_password_and_secret_values_are_hidden(url: str, expected: str) -> None:
    assert without_secrets(url) == expected
    assert without_secrets(expected) == expected


@pytest.mark.parametrize(
    "url",
    ["", "/", "/a/b", "https://tokens.example/a=b/c", "https://shop.example/@ann?page=1", "mailto:ann@shop.example",
     "/a?token=&b", "/a?token", "?", "%%%", "https://[::1", "/search?q=a@b.example"],
)  # fmt: skip
def test_everything_else_stays(url: str) -> None:
    assert without_secrets(url) == url


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="&;#"), min_size=1))
def test_any_text_is_taken_and_no_secret_value_stays(text: str, value: str) -> None:
    without_secrets(text)
    assert without_secrets(f"/a?token={value}") == "/a?token=REDACTED"
