"""The old name of feeds/cleaning, for importers that have not moved yet."""

from feeds.cleaning import FILTER_REASONS, FINISH_REASONS, book_kind, filter_rows, finish, trade_signs

__all__ = ["FILTER_REASONS", "FINISH_REASONS", "book_kind", "filter_rows", "finish", "trade_signs"]
