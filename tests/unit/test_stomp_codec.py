"""The STOMP codec: what is written is read back, however the bytes are cut, and garbage raises only FrameError."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcart.stomp import frames, parser

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
HEADERS = st.lists(st.tuples(TEXT.filter(bool).filter(lambda name: name != "content-length"), TEXT), max_size=6)
FRAMES = st.builds(
    lambda command, headers, body: frames.Frame(
        command, (*headers, ("content-length", str(len(body)))), body if command in frames.WITH_BODY else b""
    ),
    st.sampled_from(["SEND", "MESSAGE", "ERROR"]),
    HEADERS,
    st.binary(max_size=200),
)
CUTS = st.lists(st.integers(0, 2_000), max_size=12)


def read(data: bytes, cuts: list[int], version: frames.Version | None = "1.2") -> tuple[list[frames.Frame], bool]:
    """The frames of a stream fed in pieces, and whether it ended in an error."""
    subject = parser.Parser(version=version)
    found: list[frames.Frame] = []
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    try:
        for start, end in itertools.pairwise(edges):
            subject.feed(data[start:end])
            while (frame := subject.next_frame()) is not None:
                found.append(frame)
    except frames.FrameError:
        return found, True
    return found, False


@given(st.lists(FRAMES, max_size=4), CUTS, st.sampled_from([b"", b"\n", b"\r\n\n"]))
def test_frames_survive_the_round_trip_in_any_pieces(sent: list[frames.Frame], cuts: list[int], between: bytes) -> None:
    data = between.join([b"", *(frames.encode(frame, "1.2") for frame in sent), b""])
    assert read(data, cuts) == (sent, False)


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from([b"SEND", b"\n", b"\r", b":", b"\\c", b"\0", b"a"])).map(b"".join),
    CUTS,
    st.sampled_from([None, "1.0", "1.1", "1.2"]),
)
@settings(max_examples=400)
def test_garbage_raises_only_frame_errors_and_cuts_do_not_matter(
    data: bytes, cuts: list[int], version: frames.Version | None
) -> None:
    assert read(data, cuts, version) == read(data, [], version)


@pytest.mark.parametrize(
    ("version", "written"),
    [("1.2", b"SEND\nk:a\\rb\\nc\\cd\\\\e\n\n\0"), ("1.1", b"SEND\nk:a\rb\\nc\\cd\\\\e\n\n\0")],
)
def test_header_escapes_are_those_of_the_version(version: frames.Version, written: bytes) -> None:
    assert read(written, [], version) == ([frames.Frame("SEND", (("k", "a\rb\nc:d\\e"),))], False)


def test_version_1_0_and_connect_know_no_escapes() -> None:
    assert read(b"SEND\nk:a\\nb:c\n\n\0", [], "1.0")[0][0].get("k") == "a\\nb:c"
    assert read(b"CONNECT\nk:a\\qb\n\n\0", [], "1.2")[0][0].get("k") == "a\\qb"
    with pytest.raises(frames.FrameError):
        frames.encode(frames.Frame("SEND", (("k", "two\nlines"),)), "1.0")
    with pytest.raises(frames.FrameError):
        frames.encode(frames.Frame("SEND", (("k", "cr\r"),)), "1.1")


@pytest.mark.parametrize("escape", [b"\\t", b"\\", b"\\0", b"\\N"])
def test_an_undefined_escape_is_an_error(escape: bytes) -> None:
    assert read(b"SEND\nk:" + escape + b"\n\n\0", []) == ([], True)
    assert read(b"SEND\nk:\\r\n\n\0", [], "1.1") == ([], True)


def test_the_first_of_repeated_headers_wins() -> None:
    (frame,), failed = read(b"SEND\nfoo:1\nfoo:2\n\n\0", [])
    assert not failed
    assert frame.get("foo") == "1"
    assert len(frame.headers) == 2


def test_a_nul_in_the_body_needs_content_length() -> None:
    assert read(b"SEND\ncontent-length:3\n\na\0b\0", [])[0][0].body == b"a\0b"
    assert read(b"SEND\n\na\0b\0", [])[0][0].body == b"a"


@pytest.mark.parametrize("length", [b"-1", b"x", b"", b"3", b"\xd9\xa3", b"9" * 5_000])
def test_a_wrong_content_length_is_an_error(length: bytes) -> None:
    assert read(b"SEND\ncontent-length:" + length + b"\n\nabcd\0", []) == ([], True)


def test_carriage_returns_end_lines_in_1_2_and_before_the_version_is_known() -> None:
    assert read(b"\r\nSEND\r\nk:v\r\n\r\n\0\r\n", []) == ([frames.Frame("SEND", (("k", "v"),))], False)
    assert read(b"CONNECT\r\nk:v\r\n\r\n\0", [], None) == ([frames.Frame("CONNECT", (("k", "v"),))], False)


def test_only_send_message_and_error_have_a_body() -> None:
    assert read(b"SUBSCRIBE\nid:1\n\nx\0", []) == ([], True)


@pytest.mark.parametrize(
    "data",
    [
        b"SEND\n\n" + b"x" * 70_000,
        b"SEND\ncontent-length:65536\n\n",
        b"SEND\nk:" + b"x" * 9_000,
        b"S" * 9_000,
        b"SEND\n" + b"k:v\n" * 65 + b"\n\0",
    ],
)
def test_what_is_over_a_limit_is_refused_before_it_is_complete(data: bytes) -> None:
    subject = parser.Parser(version="1.2")
    subject.feed(data)
    with pytest.raises(frames.FrameTooLarge):
        subject.next_frame()
    subject.feed(b"\n\n\0SEND\n\n\0")
    with pytest.raises(frames.FrameTooLarge):  # the stream stays broken
        subject.next_frame()


def test_a_frame_at_the_limits_passes() -> None:
    head = b"SEND\nk:" + b"x" * (8 * 1024 - 2) + b"\n\n"
    data = head + b"x" * (64 * 1024 - len(head)) + b"\0"
    assert read(data, [10, 9_000]) == read(data, [])
    assert not read(data, [])[1]
    assert read(data + b"x", [])[0]
    assert read(data.replace(b"\0", b"x\0"), [])[1]
    assert not read(b"SEND\n" + b"k:v\n" * 64 + b"\n\0", [])[1]


def test_feeding_single_bytes_is_not_quadratic() -> None:
    subject = parser.Parser(version="1.2")
    data = b"SEND\n\n" + b"x" * 60_000 + b"\0"
    taken = []
    for position in range(len(data)):
        subject.feed(data[position : position + 1])
        if (frame := subject.next_frame()) is not None:
            taken.append(frame)
    assert [len(frame.body) for frame in taken] == [60_000]
