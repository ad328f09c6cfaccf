"""The contract of the search index: what all its parts share, and the whole of them."""

from __future__ import annotations

from homeport.testing.search_answers import AnswersContract
from homeport.testing.search_changes import ChangesContract
from homeport.testing.search_dates import DatesContract
from homeport.testing.search_facets import FacetsContract
from homeport.testing.search_matching import MatchingContract
from homeport.testing.search_nearness import NearnessContract
from homeport.testing.search_rebuilds import RebuildsContract
from homeport.testing.search_support import CATALOG
from homeport.testing.search_words import WordsContract

__all__ = ["CATALOG", "SearchIndexContract"]


class SearchIndexContract(
    MatchingContract,
    WordsContract,
    AnswersContract,
    DatesContract,
    FacetsContract,
    NearnessContract,
    ChangesContract,
    RebuildsContract,
):
    """What `homeport.domain.ports.search_index.SearchIndex` promises.

    Override the fixture `index` with an index made for `homeport.testing.CATALOG`. It may be
    the same for all tests, if it must. An index that goes by English stems sets `stems` to
    True, one that knows distances `geo`, one that finds words that are nearly so `fuzzy`; one
    that folds letters in its own way sets `letters` to False, one that ends words at some marks
    `marks`, one that keeps signs inside words `signs`, and one whose engine has no second index
    for a rebuild to fill, so that it is rebuilt in place, `swaps`. `histories` is how many random
    histories of changes the test of convergence runs through: a slow engine sets it lower.
    """
