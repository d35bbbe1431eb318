"""library.c once more, in FastAPI: `inlay run twin:app`, or any ASGI server."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date, datetime, timezone
from enum import Enum
from typing import Annotated
from uuid import UUID

from fastapi import (
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi import Path as PathParam
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI(separate_input_output_schemas=False)

# What an int64_t holds.
MOST = 2**63 - 1
Number = Annotated[int, PathParam(ge=-MOST - 1, le=MOST)]

KEY = b"an example's key, never a real one"


class Genre(str, Enum):
    novel = "novel"
    science = "science"
    poetry = "poetry"


class author(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    born: int = Field(ge=0, le=2100)


class book_in(BaseModel):
    """A book, as clients describe it."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200)
    author: author
    genre: Genre
    price: float = Field(ge=0.5, le=1000)
    published: date | None = None
    reference: UUID | None = None
    tags: list[str] = Field(max_length=3)


class book(BaseModel):
    """A book of the library."""

    id: int
    title: str
    author: author
    genre: Genre
    price: float
    published: date | None = None
    reference: UUID | None = None
    tags: list[str]


class search_model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(pattern="^[a-z]+$")
    genre: Genre | None = None
    page: int = Field(ge=1, le=9)


class reader(BaseModel):
    name: str


class Store:
    def __init__(self) -> None:
        self.last = 0
        self.books: dict[int, book] = {}

    def find(self, number: int) -> book:
        found = self.books.get(number)
        if found is None:
            raise HTTPException(404, f"no book {number}")
        return found


STORE = Store()


@app.middleware("http")
async def require_staff(request: Request, call_next):  # type: ignore[no-untyped-def]
    path = request.url.path
    if path == "/staff" or path.startswith("/staff/"):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() != "staff":
            return JSONResponse(
                {"detail": "staff only"}, 401, {"www-authenticate": "Bearer"}
            )
    return await call_next(request)


@app.get("/books")
def list_books(
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
    genre: Genre | None = None,
    tag: Annotated[list[str] | None, Query()] = None,
) -> list[book]:
    """The books, a page at a time."""
    found = [
        one
        for one in STORE.books.values()
        if (genre is None or one.genre == genre) and set(tag or ()) <= set(one.tags)
    ]
    return found[offset : offset + limit]


@app.get("/books/{id}")
def get_book(id: Number) -> book:
    """One book by its number."""
    return STORE.find(id)


@app.post("/books", status_code=201)
def add_book(book_in: book_in, response: Response) -> book:
    """A new book."""
    STORE.last += 1
    added = book(id=STORE.last, **book_in.model_dump())
    STORE.books[added.id] = added
    response.headers["location"] = f"/books/{added.id}"
    return added


@app.put("/books/{id}")
def change_book(id: Number, book_in: book_in) -> book:
    """Another description of a book."""
    STORE.find(id)
    STORE.books[id] = book(id=id, **book_in.model_dump())
    return STORE.books[id]


@app.delete("/books/{id}", status_code=204)
def remove_book(id: Number) -> None:
    """It is gone."""
    STORE.find(id)
    del STORE.books[id]


@app.get("/search", response_model=search_model)
def search(query: Annotated[search_model, Query()]) -> search_model:
    """What would be searched for: a model of the query."""
    return query


def sign(text: str) -> str:
    return f"{text}.{hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()}"


def current_reader(session: Annotated[str | None, Cookie()] = None) -> reader:
    """Who is asking, by a signed cookie."""
    name = (session or "").rpartition(".")[0]
    if not session or not hmac.compare_digest(session.encode(), sign(name).encode()):
        raise HTTPException(401, "log in first")
    return reader(name=name)


@app.post("/login")
def login(
    response: Response,
    name: Annotated[str, Form(min_length=1, max_length=50)],
    password: Annotated[str, Form(min_length=1, max_length=100)],
) -> reader:
    """A form of name and password."""
    if password != "open sesame":
        raise HTTPException(403, "wrong name or password")
    response.set_cookie("session", sign(name), httponly=True)
    return reader(name=name)


@app.get("/me")
def me(reader: Annotated[reader, Depends(current_reader)]) -> reader:
    """The reader who is logged in."""
    return reader


@app.post("/covers/{id}")
def put_cover(
    id: Number,
    picture: Annotated[UploadFile, File()],
    caption: Annotated[str | None, Form()] = None,
) -> dict[str, int | str]:
    """A picture of a book."""
    return {
        "book": id,
        "name": caption if caption is not None else picture.filename or "",
        "type": picture.content_type or "",
        "size": len(picture.file.read()),
    }


class period(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    from_: date = Field(serialization_alias="from")
    to: datetime
    days: int


@app.get("/loan")
def loan(from_: Annotated[date, Query(alias="from")], to: datetime) -> period:
    """The days of a loan."""
    since = to if to.tzinfo else to.replace(tzinfo=timezone.utc)
    us = round(since.timestamp() * 1_000_000)
    return period(
        from_=from_, to=to, days=abs(us) // 86_400_000_000 * (1 if us > 0 else -1)
    )


@app.get("/staff/stats")
def stats() -> dict[str, int]:
    """How much there is."""
    return {"books": len(STORE.books)}


@app.get("/notes/{path:path}")
def note(
    path: str, x_token: Annotated[str, Header()], shout: bool = False
) -> dict[str, str | bool]:
    """The rest of a path, a header and a flag."""
    return {"token": x_token, "path": path, "shout": shout}
