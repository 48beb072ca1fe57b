from app.data.mixing.text import FEW_ROWS, Fingerprint, digest, fingerprint, normal, wording_of

KETTLE = 1563658069520563146
"""BLAKE2b of 8 bytes over the length of "kettle" in 8 bytes, little-endian, and the word."""


def test_what_does_not_distinguish_texts_is_gone() -> None:
    assert normal("  Ｂｌｕｅ  KETTLE\n1 l ") == "blue kettle 1 l"


def test_digests_know_where_a_part_ends() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_digests_are_the_same_in_every_process() -> None:
    assert digest("kettle") == KETTLE


def test_a_shuffled_list_has_the_same_shingles() -> None:
    one = fingerprint("Pick one.\n1. blue kettle with lid\n2. red pan with handle")
    other = fingerprint("Pick one.\n1. red pan with handle\n2. blue kettle with lid")

    assert one == other


def test_scripts_without_spaces_are_cut_by_character() -> None:
    assert len(fingerprint("青いやかんです").shingles) == 5


def test_only_long_lines_stand_for_themselves() -> None:
    line = "a kettle with a long description that goes on until the line is long enough"

    assert len(fingerprint(f"Title: {line}\nshort").lines) == 1
    assert fingerprint(f"Title: {line}").lines == fingerprint(f"3. {line.upper()}").lines


def test_what_stands_in_few_rows_or_in_a_small_fraction_of_them_is_no_wording() -> None:
    def shared(times: int, rows: int) -> bool:
        texts = [Fingerprint(frozenset({1} if row < times else ()), frozenset()) for row in range(rows)]
        return wording_of(texts).shingles == {1}

    assert not shared(FEW_ROWS, rows=20)
    assert shared(FEW_ROWS + 1, rows=20)
    assert not shared(10, rows=1000)
    assert shared(11, rows=1000)


def test_a_line_of_sixty_characters_is_long() -> None:
    assert [len(fingerprint("x" * length).lines) for length in (59, 60)] == [0, 1]
