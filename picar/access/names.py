"""Names of phones and scripts: permitted characters, and names that look the same.

Law: a tidy name is one line of visible words, no longer than `NAME_CHARACTERS` and `NAME_BYTES`, and tidying a tidy name
changes nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator

NAME_CHARACTERS, NAME_BYTES = 32, 64  # of UTF-8: each state holds the names of clients that request the wheel
_JOIN = "\u200d"
_JOINERS = "\u200c" + _JOIN  # inside of emoji families and of Persian and Indic words
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)  # two of them are a flag
_EMOJI_STYLE = "\ufe0f"  # asks for the coloured form of the symbol before it
# Letters, marks and symbols that show nothing: Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt
# without those of category Cf, and three that are blank in every font.
_BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U00016fe4\U0001d159"
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def tidy_name(name: str, characters: int = NAME_CHARACTERS, size: int = NAME_BYTES) -> str:
    """Return a name or a sentence of visible characters with single spaces; it may be empty.

    It has at most so many `characters`, and `size` bytes of UTF-8.
    """
    kept = " "
    for character in name:
        kept += _tidied(character, kept[-1])
    words = " ".join(word.strip(_JOINERS) for word in kept.split())
    return shortened(words, characters=characters, size=size)


def shortened(
    name: str, room_for: str = "", characters: int = NAME_CHARACTERS, size: int = NAME_BYTES
) -> str:
    """Return as much of a name as fits the limits beside `room_for`, cut between whole characters as people see them."""
    characters, size = characters - len(room_for), size - len(room_for.encode())
    if len(name) <= characters and len(name.encode()) <= size:
        return name
    kept = ""
    for cluster in _clusters(name):
        if len(kept + cluster) > characters or len((kept + cluster).encode()) > size:
            break
        kept += cluster
    # A letter with a hundred accents is cut inside.
    kept = kept or name.encode()[:size].decode(errors="ignore")[:characters]
    return kept.strip(" " + _JOINERS)


def _clusters(name: str) -> Iterator[str]:
    """Yield the characters as people see them: a letter with its accents, a family, a flag.

    Close to the extended grapheme clusters of Unicode Annex 29, without its tables.
    """
    cluster = ""
    for character in name:
        if cluster and not _belongs(character, cluster):
            yield cluster
            cluster = ""
        cluster += character
    yield cluster


def _belongs(character: str, cluster: str) -> bool:
    joins = character in _JOINERS or unicodedata.category(character)[0] == "M"
    follows = joins or ord(character) in _SKIN_TONES
    flag = len(cluster) == 1 and ord(cluster) in _FLAG_LETTERS and ord(character) in _FLAG_LETTERS
    return follows or flag or cluster[-1] == _JOIN


def _tidied(character: str, last: str) -> str:
    """Return a character as it is kept after `last`: unchanged, as a space, or as ""."""
    category = unicodedata.category(character)
    if character in _JOINERS or category[0] == "M":
        kept = last not in " " + _JOINERS and not _is_blank(character)
        styles = character == _EMOJI_STYLE and unicodedata.category(last)[0] == "S"
        return character if kept or styles else ""
    if category == "Cf" or _is_blank(character):
        return ""
    return character if character.isprintable() else " "


def is_printable(name: str) -> bool:
    """Return whether a name can neither break a line nor control a terminal."""
    return all(character.isprintable() or character in _JOINERS for character in name)


def look_alike(name: str) -> str:
    """Return a key that is equal for names that look the same; case and width do not count."""
    wide = unicodedata.normalize("NFKC", name)
    shown = "".join(c for c in wide if unicodedata.category(c) != "Cf" and not _is_blank(c))
    return unicodedata.normalize("NFKC", shown.casefold())


def unused(name: str, used: Container[str]) -> str:
    """Return the name, with a number where another one looks like it; `used` holds `look_alike` of the others."""
    number, found = 1, name
    while look_alike(found) in used:
        number += 1
        found = shortened(name, f" {number}") + f" {number}"
    return found


def _is_blank(character: str) -> bool:
    return character in _BLANKS or any(ord(character) in selectors for selectors in _SELECTORS)
