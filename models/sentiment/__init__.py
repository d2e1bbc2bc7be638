"""Sentiment of headlines: a frozen transformer and a small trained head.

Here: cleaning, embedding, the head, its training and the scoring of tables. Not here: news parsing (feeds/adapters),
joins with market data (models/feature_table.py), fine-tuning of the transformer itself.
"""

from models.sentiment.head import CLASSES, SentimentHead, head_id, load_head
from models.sentiment.score import score_headlines, score_texts

__all__ = ["CLASSES", "SentimentHead", "head_id", "load_head", "score_headlines", "score_texts"]
