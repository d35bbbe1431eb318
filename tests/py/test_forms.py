"""Forms and files: the same requests to C routes and to FastAPI.

twins/sources.c and twins/sources_twin.py, as in test_sources.py.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import python_multipart

from .compare import FORM, TWINS, Twin, same
from .twins.texts import PAIRS

NATIVE = TWINS / "sources.c"
TWIN = TWINS / "sources_twin.py"
OPTIONS = ["--limit-form-bytes", "20M"]
PARTS = {"content-type": "multipart/form-data; boundary=B"}

# --- Forms -------------------------------------------------------------------


def part(name: str, data: bytes | str, more: str = "", headers: str = "") -> bytes:
    head = (
        f'--B\r\ncontent-disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    )
    body = data.encode() if isinstance(data, str) else data
    return head.encode() + body + b"\r\n"


def parts(*all_parts: bytes) -> bytes:
    return b"".join(all_parts) + b"--B--\r\n"


def both(
    native: httpx.Client,
    twin: Twin,
    method: str,
    url: str,
    fields: list[tuple[str, str]],
) -> None:
    """The same fields in both kinds of forms."""
    text = str(httpx.QueryParams(fields)).encode()
    same(native, twin, method, url, FORM, text)
    body = parts(*(part(name, value) for name, value in fields))
    same(native, twin, method, url, PARTS, body)


@pytest.mark.parametrize(("name", "text"), PAIRS)
def test_form_types(native: httpx.Client, twin: Twin, name: str, text: str) -> None:
    both(native, twin, "POST", "/form/all", [(name, text)])
    both(native, twin, "POST", "/form/all", [("s", "x"), (name, text)])


FIELDS: list[tuple[str, list[tuple[str, str]]]] = [
    ("all", []),
    ("all", [("n", "x"), ("x", "x"), ("b", "x"), ("day", "x"), ("at", "x")]),
    ("all", [("s", "a"), ("s", "b"), ("n", "1"), ("n", "")]),
    ("all", [("s", "a"), ("s", "")]),
    ("all", [("", "a"), ("S", "b")]),
    ("model", []),
    ("model", [("title", "t"), ("n", "1")]),
    ("model", [("title", "t"), ("n", "1"), ("tags", "a"), ("tags", ""), ("day", "")]),
    ("model", [("title", ""), ("n", ""), ("tags", ""), ("day", "")]),
    ("model", [("n", "x"), ("day", "x"), ("tags", "a"), ("more", "1"), ("more", "")]),
    ("model", [("title", "t"), ("more", "")]),
    ("mixed?q=1", [("title", "t"), ("n", "1"), ("note", "x")]),
    ("mixed?q=x", [("title", "t"), ("n", "x"), ("note", "")]),
    ("mixed", [("note", "x")]),
    ("strict", [("a", "1")]),
    ("strict", [("a", "1"), ("c", "2"), ("c", "3"), ("d", "")]),
    ("strict", [("b", "x"), ("c", "2")]),
]


@pytest.mark.parametrize(("path", "fields"), FIELDS)
def test_form(
    native: httpx.Client, twin: Twin, path: str, fields: list[tuple[str, str]]
) -> None:
    both(native, twin, "POST", f"/form/{path}", fields)


@pytest.mark.parametrize(
    "fields",
    [
        [("title", "t"), ("c", "red")],
        [("title", "t"), ("c", "red"), ("c", "blue"), ("n", "1"), ("n", "2")],
        [("title", "t"), ("c", "red"), ("c", "x"), ("c", ""), ("n", ""), ("n", "2.5")],
        [("title", "")],
        [],
    ],
)
def test_form_lists(
    native: httpx.Client, twin: Twin, fields: list[tuple[str, str]]
) -> None:
    both(native, twin, "PUT", "/form/lists", fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"s",
        b"s=",
        b"&&s=x&&",
        b"s=x;n=1",
        b"s=a=b",
        b"=x&s=y",
        b"s=%FF%C3%A4%E2%82",
        b"s=\xff\xc3\xa4%C3%A4",
        b"s=%C3\xa4%A4",
        b"s=a+b%20c%2B%zz%4",
        b"%73=x",
        b"s=%00",
        b"s=\x00\r\n",
        b"\xef\xbb\xbfs=x",
        b"&" * 3000,
        b"a=1&" * 999 + b"s=x",
        b"a=1&" * 1000 + b"s=x",
        b"s=" + b"x" * ((1 << 20) - 1),
        b"s=" + b"x" * (1 << 20),
    ],
)
def test_urlencoded(native: httpx.Client, twin: Twin, body: bytes) -> None:
    same(native, twin, "POST", "/form/all", FORM, body)


DISPOSITION = b'content-disposition: form-data; name="s"'
MULTIPART = [
    b"",
    b"\r\n",
    b"--B--",
    b"--B--\r\n",
    b"x",
    b"--C\r\n",
    b"--B\r\n",
    parts(part("s", "x")),
    parts(part("s", "x"))[:-4],
    parts(part("s", "x"))[:-8],
    b"\r\n" + parts(part("s", "x")),
    b"preamble\r\n" + parts(part("s", "x")),
    parts(part("s", "x")) + b"epilogue",
    parts(part("s", "")),
    parts(part("s", "\r\n")),
    parts(part("s", "\r\n--C\r\n--b\r\n--")),
    parts(part("s", "a"), part("s", "b")),
    parts(part("s", b"\xff\xe4")),
    parts(part("s", b"\xc3\xa4")),
    parts(part("s", b"\x00\x01")),
    parts(part("n", "1"), part("s", "x"), part("b", "on")),
    parts(part("s", "x", "; charset=latin-1")),
    parts(
        part("s", b"\xc3\xa4", headers="content-type: text/plain; charset=latin1\r\n")
    ),
    parts(part("s", "x", headers="content-transfer-encoding: base64\r\n")),
    parts(part("s", "x", headers="x: y\r\n" * 7)),
    parts(part("s", "x", headers="x: y\r\n" * 8)),
    parts(part("s", "x", headers="x: " + "y" * 4221 + "\r\n")),
    parts(part("s", "x", headers="x: " + "y" * 4222 + "\r\n")),
    parts(part("s", "x", headers="x y: z\r\n")),
    parts(part("s", "x", headers="x\r\n")),
    parts(part("s", "x", headers=": x\r\n")),
    parts(part("s", "x", headers="x:\r\n")),
    parts(part("s", "x", headers=" folded\r\n")),
    parts(b"--B\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: form-data\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: form-data; filename=x\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: attachment; name=s\r\n\r\nx\r\n"),
    parts(b"--B\r\nCONTENT-DISPOSITION:form-data;NAME = s \r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"; name=t\r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"\r\n" + DISPOSITION + b"\r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"\n\r\nx\r\n"),
    parts(b"--B\n" + DISPOSITION + b"\n\nx\r\n"),
    b"--B\r\n"
    + DISPOSITION
    + b"\r\n\r\nx\r\n--B \t\r\n"
    + DISPOSITION
    + b"\r\n\r\ny\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B-\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B\r\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B x\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\n--B--\r\n--B--",
    parts(*[part("a", "1")] * 999, part("s", "x")),
    parts(*[part("a", "1")] * 1000, part("s", "x")),
    parts(part("s", b"x" * (1 << 20))),
    parts(part("s", b"x" * ((1 << 20) + 1))),
]


# What python-multipart took otherwise before 0.0.34.
OLD = tuple(map(int, python_multipart.__version__.split("."))) < (0, 0, 34)
CHANGED = (b"--B \t\r\n", b"--B x\r\n")


@pytest.mark.parametrize("body", MULTIPART)
def test_multipart(native: httpx.Client, twin: Twin, body: bytes) -> None:
    if OLD and any(each in body for each in CHANGED):
        pytest.skip("python-multipart takes it otherwise")
    same(native, twin, "POST", "/form/all", PARTS, body)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=C",
        'multipart/form-data; boundary="B"',
        "MULTIPART/Form-Data; BOUNDARY=B",
        "multipart/form-data;charset=latin-1;boundary=B",
        "multipart/form-data; charset=UTF8; boundary=B",
        "multipart/form-data; charset=nonsense; boundary=B",
        'multipart/form-data; x="; boundary=C"; boundary=B',
        "multipart/form-data; boundary=" + "b" * 257,
        "multipart/mixed; boundary=B",
        "multipart/form-datax; boundary=B",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded, x",
    ],
)
def test_form_media_types(native: httpx.Client, twin: Twin, kind: str | None) -> None:
    if OLD and kind and "BOUNDARY" in kind:
        pytest.skip("python-multipart takes it otherwise")
    headers = {} if kind is None else {"content-type": kind}
    for body in (parts(part("s", "\u00e4")), b"s=x&n=1", b""):
        same(native, twin, "POST", "/form/all", headers, body)
        same(native, twin, "POST", "/form/model", headers, body)


# --- Files -------------------------------------------------------------------


def file_part(
    name: str, filename: str, data: bytes, kind: str | None = "text/plain"
) -> bytes:
    headers = "" if kind is None else f"content-type: {kind}\r\n"
    return part(name, data, f'; filename="{filename}"', headers)


FILES = [
    [file_part("file", "a.txt", b"abc")],
    [file_part("file", "a.txt", b"abc"), part("note", "n")],
    [file_part("file", "a.txt", b"abc"), part("note", "")],
    [file_part("file", "", b"")],
    [file_part("file", "", b"abc")],
    [file_part("file", "a", b"")],
    [file_part("file", "a", b"x", None)],
    [file_part("file", "a", b"x", "")],
    [file_part("file", "C:\\\\dir\\\\a.txt", b"x")],
    [file_part("file", "\\\\\\\\host\\\\a.txt", b"x")],
    [file_part("file", "../../etc/passwd", b"x")],
    [file_part("file", 'q\\"uo;te', b"x")],
    [file_part("file", "\u00e4.txt", b"x", "image/png; x=\u00e4")],
    [part("file", "x", "; filename*=utf-8''%C3%A4")],
    [part("file", "x", "; filename=plain; filename*=utf-8''%C3%A4")],
    [part("file", "text")],
    [part("file", "")],
    [file_part("file", "a", b"1"), file_part("file", "b", b"22")],
    [file_part("file", "a", b"1"), part("file", "text")],
    [file_part("other", "a", b"1")],
    [],
]


@pytest.mark.parametrize("path", ["one", "maybe"])
@pytest.mark.parametrize("files", FILES)
def test_upload(
    native: httpx.Client, twin: Twin, path: str, files: list[bytes]
) -> None:
    same(native, twin, "POST", f"/upload/{path}", PARTS, parts(*files))


@pytest.mark.parametrize(
    "files",
    [
        [],
        [file_part("files", "a", b"1")],
        [file_part("files", "a", b"1"), file_part("files", "b", b"")],
        [file_part("files", "", b""), file_part("files", "b", b"2")],
        [file_part("files", "", b"")],
        [file_part("files", "a", b"1"), part("files", "x"), part("files", "")],
    ],
)
def test_uploads(native: httpx.Client, twin: Twin, files: list[bytes]) -> None:
    same(native, twin, "POST", "/upload/many", PARTS, parts(*files))


@pytest.mark.parametrize(
    "files",
    [
        [],
        [file_part("data", "a", b"abc")],
        [file_part("data", "", b"")],
        [part("data", "text")],
        [part("data", "")],
    ],
)
def test_upload_bytes(native: httpx.Client, twin: Twin, files: list[bytes]) -> None:
    same(native, twin, "POST", "/upload/bytes", PARTS, parts(*files))


def test_large_files(native: httpx.Client, twin: Twin) -> None:
    """In memory up to 1 MiB, in one file beyond; in any order."""
    random.seed(6)
    sizes = [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, 5, 700_000, 2 << 20]
    for order in (sizes, sizes[::-1]):
        files = [
            file_part("files", f"f{i}", f"{i:020d}".encode() + b"\r\n-" * (size // 3))
            for i, size in enumerate(order)
        ]
        answer = same(native, twin, "POST", "/upload/many", PARTS, parts(*files))
        assert [file["note"] for file in answer.json()] == [
            f"{i:020d}" for i in range(len(sizes))
        ]


def test_many_files(native: httpx.Client, twin: Twin) -> None:
    one = file_part("files", "f", b"x")
    same(native, twin, "POST", "/upload/many", PARTS, parts(*[one] * 1000))
    same(native, twin, "POST", "/upload/many", PARTS, parts(*[one] * 1001))


def test_pieces(native: httpx.Client, twin: Twin) -> None:
    """A form comes in any pieces, without a length."""
    body = parts(
        file_part("files", "a", b"\r\n--b" * 10), file_part("files", "b", b"2" * 70_000)
    )
    for sizes in ([1], [7, 1, 100], [60_000]):

        def pieces(sizes: list[int] = sizes) -> Iterator[bytes]:
            at = 0
            for size in itertools.cycle(sizes):
                yield body[at : at + size]
                at += size
                if at >= min(len(body), 200 * size):
                    yield body[at:]
                    return

        answer = native.post("/upload/many", content=pieces(), headers=PARTS)
        whole = twin.post("/upload/many", content=body, headers=PARTS)
        assert (answer.status_code, answer.json()) == (200, whole.json())


def test_file_for_text(native: httpx.Client, twin: Twin) -> None:
    """FastAPI's input shows the insides of its UploadFile."""
    for path, field in (
        ("all", "s"),
        ("all", "n"),
        ("all", "b"),
        ("last", "at"),
        ("model", "title"),
    ):
        body = parts(file_part(field, "a.txt", b"abc", "x/y"))
        ours = native.post(f"/form/{path}", content=body, headers=PARTS)
        theirs = twin.post(f"/form/{path}", content=body, headers=PARTS)
        assert ours.status_code == theirs.status_code == 422
        inputs = [error.pop("input") for error in ours.json()["detail"]]
        for answer in (ours.json(), theirs.json()):
            for error in answer["detail"]:
                error.pop("input")
        assert {"filename": "a.txt", "content_type": "x/y", "size": 3} in inputs
        assert [
            (error["type"], error["loc"], error["msg"])
            for error in ours.json()["detail"]
        ] == [
            (error["type"], error["loc"], error["msg"])
            for error in theirs.json()["detail"]
        ]


def test_limits_of_ours(native: httpx.Client) -> None:
    """What FastAPI has no limit for."""
    fields = parts(*[part("a", b"x" * (1 << 20))] * 9)
    answer = native.post("/form/all", content=fields, headers=PARTS)
    assert (answer.status_code, answer.json()) == (
        413,
        {"detail": "Content Too Large"},
    )
    whole = parts(file_part("file", "a", b"x" * (21 << 20)))
    answer = native.post("/upload/one", content=whole, headers=PARTS)
    assert answer.status_code == 413
    answer = native.post("/upload/one", content=iter([whole]), headers=PARTS)
    assert answer.status_code == 413


def test_content_coding(native: httpx.Client) -> None:
    headers = {**FORM, "content-encoding": "gzip"}
    assert native.post("/form/all", content=b"s=1", headers=headers).status_code == 415


# --- Memory ------------------------------------------------------------------


def test_no_files_left(native: httpx.Client) -> None:
    """Large files lie in an unlinked one, which goes with its request."""
    body = parts(file_part("file", "a", b"x" * (3 << 20)))
    for _ in range(5):
        answer = native.post("/upload/one", content=body, headers=PARTS)
        assert answer.json()["size"] == 3 << 20
        cut = native.build_request(
            "POST", "/upload/one", content=body[: 2 << 20], headers=PARTS
        )
        native.send(cut)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            names = [
                os.readlink(fd) for fd in (process / "fd").iterdir() if int(fd.name) > 2
            ]
        except OSError:
            continue
        if b"sources.c" in command:
            assert not [name for name in names if "(deleted)" in name], names
