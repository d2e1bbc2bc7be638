"""Frozen sentence embeddings from the all-MiniLM-L6-v2 transformer.

Here: loading the packaged weights and turning one text into one vector. Not here: the classifier on top (head.py),
caching across runs (the lake stores scores).

The model is Wang et al. (2020), "MiniLM", trained for sentence similarity after Reimers & Gurevych (2019),
"Sentence-BERT"; six layers of width 384.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.sentiment.text import clean_text

#: Tokens kept of a text; headlines and posts rarely pass 60.
MAX_TOKENS = 128
#: Width of the transformer.
HIDDEN = 384
