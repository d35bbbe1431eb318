"""The FastAPI side of the bench; the C routes come from fast.c beside it.

On a server without the import hook (uvicorn), fast.c is left out: only the
Python twins are asked there.
"""

import sys

from fastapi import FastAPI
from pydantic import BaseModel

if "inlay" in sys.modules:
    import fast  # noqa: F401

app = FastAPI()


class Squares(BaseModel):
    a: int
    b: int
    sum_of_squares: int


class Payload(BaseModel):
    numbers: list[int]


@app.get("/hello-py")
async def hello() -> str:
    return "Hello, World!"


@app.get("/sum-squares-py")
async def sum_squares(a: int = 5, b: int = 10) -> Squares:
    return Squares(a=a, b=b, sum_of_squares=a * a + b * b)


@app.post("/echo-py")
async def echo(payload: Payload) -> Payload:
    return payload
