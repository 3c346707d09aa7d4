"""Renews the parts of a document that a command writes, each between its two markers."""


def with_part(text: str, name: str, command: str, part: str) -> str:
    """Return the text with another part between `<!-- begin: NAME, by COMMAND -->` and `<!-- end: NAME -->`.

    Raises:
        ValueError: it lacks a marker.
    """
    begin, end = f"<!-- begin: {name}, by {command} -->", f"<!-- end: {name} -->"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the document lacks {end if found_begin else begin}: a block stands between these two")
    return f"{before}{begin}\n\n{part}\n\n{end}{after}"
