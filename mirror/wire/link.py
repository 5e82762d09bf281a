"""Where an answer says that related ones are: the Link header.

    header    = link *( "," link )
    link      = "<" address ">" *( ";" parameter )
    parameter = name [ "=" ( word | quoted ) ]

Addresses and quoted texts may hold commas and semicolons, so it is read from mark to
mark, once from left to right.  RFC 8288, section 3.
"""

from collections.abc import Iterator


def parse(header: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Give each address with its relations, in lower case; what cannot be read is passed over."""
    position = 0
    while (start := header.find("<", position)) >= 0:
        end = header.find(">", start)
        if end < 0:
            return
        relations, position = _relations(header, end + 1)
        yield header[start + 1 : end], relations


def _relations(header: str, position: int) -> tuple[frozenset[str], int]:
    """Read the parameters of one link; return its relations, and where the next link begins.

    One ``rel`` may name several, and only the first counts (section 3.3).
    """
    relations: frozenset[str] | None = None
    while position < len(header) and header[position] != ",":
        name, value, position = _parameter(header, position)
        if name == "rel" and relations is None:
            relations = frozenset(value.lower().split())
    return relations or frozenset(), position


def _parameter(header: str, position: int) -> tuple[str, str, int]:
    """Read up to the next ``;`` or ``,`` outside quotes; return name, value and what follows."""
    end = _first_of(";,=", header, position)
    name = header[position:end].strip().lower()
    if header[end : end + 1] != "=":
        return name, "", end + (header[end : end + 1] == ";")
    start = end + 1
    while header[start : start + 1] in (" ", "\t"):
        start += 1
    if header[start : start + 1] == '"':
        value, end = _quoted(header, start + 1)
        end = _first_of(";,", header, end)
    else:
        end = _first_of(";,", header, start)
        value = header[start:end].strip()
    return name, value, end + (header[end : end + 1] == ";")


def _quoted(header: str, position: int) -> tuple[str, int]:
    """Read a quoted text whose opening quote is behind; one that is not closed goes to the end."""
    text: list[str] = []
    while position < len(header) and header[position] != '"':
        position += header[position] == "\\"
        text.append(header[position : position + 1])
        position += 1
    return "".join(text), position + 1


def _first_of(marks: str, header: str, position: int) -> int:
    while position < len(header) and header[position] not in marks:
        position += 1
    return position
