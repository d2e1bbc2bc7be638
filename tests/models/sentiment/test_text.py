"""Cleaning of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sentiment.text import clean_text, text_key


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("$BYND - cut to sell https://t.co/bd0x", "BYND - cut to sell"),
        ("see www.example.com/a?b=c  now", "see now"),
        ("raises $10 million", "raises $10 million"),
        ("HTTPS://T.CO/X\tup\n2 %", "up 2 %"),
        ("", ""),
    ],
)
def test_links_and_cash_tag_signs_go_and_amounts_stay(raw, cleaned):
    assert clean_text(raw) == cleaned


@given(st.text())
def test_a_cleaned_text_has_neither_links_nor_double_spaces(text):
    cleaned = clean_text(text)
    assert "http://" not in cleaned.lower()
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


def test_reposts_share_a_key_and_other_stories_do_not():
    assert text_key("$AAPL beats estimates https://t.co/a") == text_key("AAPL Beats estimates! https://t.co/b")
    assert text_key("AAPL beats estimates") != text_key("AAPL misses estimates")
