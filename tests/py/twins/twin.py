"""routes.c once more, in FastAPI."""

import base64
from enum import Enum
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

# C's types are the same on their way in and out.
app = FastAPI(separate_input_output_schemas=False)


class squares(BaseModel):
    a: int
    b: int
    sum_of_squares: int


class inner(BaseModel):
    n: int
    ok: bool


class user(BaseModel):
    id: int
    name: str
    score: float | None = None
    inner: inner
    more: list[inner]


class numbers(BaseModel):
    numbers: list[int]


class page(BaseModel):
    limit: int
    word: str | None = None
    offset: int | None = None


@app.get("/sum-squares")
def sum_squares(a: int = 5, b: int = 10) -> squares:
    """Sum of two squares.

    With defaults.
    """
    return squares(a=a, b=b, sum_of_squares=a * a + b * b)


@app.post("/users", status_code=201)
def create_user(user: user) -> user:
    return user


@app.put("/users")
def put_users(all: list[user]) -> list[user]:
    return all


@app.delete("/users/{id}", status_code=204)
def del_user(id: int) -> None:
    pass


@app.get("/users/{id}")
def get_user(id: int) -> user:
    if id > 100:
        raise HTTPException(404, f'no user {id} "\n')
    return user(id=id, name="me", inner=inner(n=0, ok=False), more=[])


@app.put("/two/{id}")
def two(id: int, a: inner, b: numbers) -> int:
    return id + a.n + len(b.numbers)


@app.post("/mix")
def mix(body: numbers, q: int, o: int | None = None) -> int:
    return len(body.numbers) + q + (o or 0)


@app.post("/optional")
def optional_body(body: numbers | None = None) -> int | None:
    return None if body is None else len(body.numbers)


@app.post("/reals")
def reals(xs: list[float]) -> list[float]:
    return xs


@app.get("/page")
def get_page(page: Annotated[page, Query()]) -> page:
    return page


@app.get("/list")
def get_list(
    x: Annotated[list[int], Query()], flag: bool = False, z: int | None = None
) -> list[int]:
    return x


@app.get("/files/{rest:path}")
def get_file(rest: str) -> str:
    return rest


@app.get("/half/{x}")
def half(x: float, unit: str = 'm"') -> float:
    return x / 2


@app.get("/say")
def say(word: str) -> str:
    return word


@app.get("/perhaps")
def perhaps(word: str | None = None) -> str | None:
    return word


class color(str, Enum):
    red = "red"
    green = "green"
    blue = "blue"


Char = Annotated[str, Field(min_length=1, max_length=1)]
Code = Annotated[str, Field(max_length=3)]
Two = Field(min_length=2, max_length=2)


class stroke(BaseModel):
    color: color
    letter: Char
    code: Code
    at: Annotated[list[int], Two]
    pair: Annotated[list[inner], Two]
    next: "stroke | None" = None


class point(BaseModel):
    at: Annotated[list[int], Two]
    color: color
    code: Code


class blob(BaseModel):
    # pydantic writes base64 with the alphabet of URLs.
    model_config = ConfigDict(val_json_bytes="base64")
    data: Annotated[
        bytes, PlainSerializer(lambda data: base64.b64encode(data).decode())
    ]


class OctetResponse(Response):
    media_type = "application/octet-stream"


@app.get("/paint/{color}")
def paint(
    color: color,
    second: color = color.green,
    letter: Annotated[str, Query(min_length=1, max_length=1)] = "a",
) -> color:
    return second if letter == "x" else color


@app.get("/colors")
def all_colors(c: Annotated[list[color], Query()]) -> list[color]:
    return c


@app.post("/stroke")
def same_stroke(stroke: stroke) -> stroke | None:
    return stroke


@app.post("/maybe-stroke")
def maybe_stroke(stroke: stroke | None = None) -> stroke | None:
    return stroke


@app.put("/strokes")
def strokes(a: stroke, b: stroke | None = None) -> int:
    return a.at[0] + (0 if b is None else b.at[1])


@app.get("/point")
def get_point(point: Annotated[point, Query()]) -> point:
    return point


@app.post("/blob")
def same_blob(blob: blob) -> blob:
    return blob


@app.get("/html", response_class=HTMLResponse)
def get_html(word: str) -> str:
    return f"<p>{word}"


@app.get("/text", response_class=PlainTextResponse)
def get_text(word: str) -> str:
    return word


@app.get("/bytes/{n}", response_class=OctetResponse)
def get_bytes(n: int) -> bytes:
    return bytes(n)


@app.post("/count")
def count_bytes(
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
) -> int:
    return len(data)
