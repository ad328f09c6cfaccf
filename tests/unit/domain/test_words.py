"""How texts and queries are cut into words, and which words are one."""

from __future__ import annotations

from homeport.domain.words import as_found, composed, cut_words, word_spans
from tests.unit.domain.tables import check


def test_words_are_letters_and_digits_with_their_marks() -> None:
    table: list[tuple[str, list[str]]] = [
        ("", []),
        ("Don't, a.b x_y! (c)", ["Don", "t", "a", "b", "x", "y", "c"]),
        ("_a__b_ 1,000", ["a", "b", "1", "000"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ที่นี่, שָׁלוֹם", ["ที่นี่", "שָׁלוֹם"]),
        ("x\u0302y_\u0302z", ["x\u0302y", "z"]),
        ("\u0300 a.\u0300 e\u0301", ["a", "e\u0301"]),
        ("日本語の本", ["日本語の本"]),
        ("10\u00a0km a\u00adb a\u200bb", ["10", "km", "a", "b", "a", "b"]),
        ("i\u2764\ufe0fvienna 1\ufe0f\u20e3x", ["i", "vienna", "1", "x"]),
        ("½ x² Ⅳ", ["½", "x²", "Ⅳ"]),
    ]
    check(cut_words, table)
    for text, words in table:
        assert [text[start:end] for start, end in word_spans(text)] == words


def test_capitals_find_small_letters() -> None:
    check(
        as_found,
        [("ΟΔΟΣ", "οδοσ"), ("οδος", "οδοσ"), ("\u0130st", "i\u0307st"), ("ẞ", "ß")],
    )


def test_an_accent_may_stand_behind_its_letter() -> None:
    check(composed, [("cafe", "cafe"), ("cafe\u0301", "caf\u00e9"), ("x\u0302", "x\u0302")])
    check(
        composed, [("gr\u00fcn", "gr\u00fcn"), ("i\u0307st", "\u0130st"), ("xi\u0307", "x\u0130")]
    )


def test_marks_without_end_are_composed_in_pieces() -> None:
    """All at once, in the order that Unicode has for them, takes half a minute."""
    marks = "\u0301" * 60_000 + "\u0323" * 60_000
    assert composed(f"e\u0301 a{marks} e\u0301") == f"\u00e9 a{marks} \u00e9"


def test_many_kinds_of_signs_are_between_words_too() -> None:
    signs = [chr(code) for code in range(0x2190, 0x2200)]
    assert cut_words("".join(f"भि{sign}" for sign in signs)) == ["भि"] * len(signs)
