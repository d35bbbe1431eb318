"""routes.c once more, in FastAPI."""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel

app = FastAPI()


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
