"""The quick start: a FastAPI application, two of whose endpoints are C.

Each of the two functions is served three ways, so that the gain can be seen:
`/sum-squares` natively (fast.c answers, Python never runs), `/sum-squares-c`
by FastAPI that calls the C function, `/sum-squares-py` by pure Python.
"""

import inlay
from fastapi import FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

try:
    import fast

    unavailable = ""
except ImportError as error:  # no compiler, or fast.c does not compile
    fast = None
    unavailable = str(error)

app = FastAPI(title="Inlay quick start")


class Numbers(BaseModel):
    numbers: list[int]


class Processed(BaseModel):
    original_count: int
    processed_result: list[int]


class Squares(BaseModel):
    a: int
    b: int
    sum_of_squares: int


@app.get("/")
async def home() -> dict[str, str]:
    return {"served_by": "FastAPI", "docs": "/docs"}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None) -> dict[str, int | str | None]:
    return {"item_id": item_id, "q": q}


# --- FastAPI endpoints that call the C functions -------------------------------


def need_fast() -> None:
    """501 that says why when fast.c could not be compiled."""
    if fast is None:
        raise HTTPException(501, f"fast.c is not available: {unavailable}")


@app.post("/process-numbers-c")
async def process_numbers_c(body: Numbers) -> Processed:
    need_fast()
    try:
        result = await run_in_threadpool(fast.process_numbers, body.numbers)
    except (inlay.Error, OverflowError) as error:
        raise HTTPException(500, str(error)) from error
    return Processed(original_count=len(body.numbers), processed_result=result)


@app.get("/sum-squares-c")
async def sum_squares_c(a: int = 5, b: int = 10) -> Squares:
    need_fast()
    try:
        return Squares(a=a, b=b, sum_of_squares=fast.sum_squares(a, b))
    except (inlay.Error, OverflowError) as error:
        raise HTTPException(500, str(error)) from error


# --- Pure Python twins ----------------------------------------------------------


def wrap(value: int) -> int:
    """What two's complement int64 makes of a sum or a product."""
    return (value + 2**63) % 2**64 - 2**63


def process(value: int) -> int:
    for _ in range(1000):
        value = wrap((value + 1) * 2)
        # C's remainder has the sign of the dividend, Python's of the divisor.
        value = value % 1000000007 if value >= 0 else -(-value % 1000000007)
    return value


@app.post("/process-numbers-py")
def process_numbers_py(body: Numbers) -> Processed:
    result = [process(value) for value in body.numbers]
    return Processed(original_count=len(body.numbers), processed_result=result)


@app.get("/sum-squares-py")
async def sum_squares_py(a: int = 5, b: int = 10) -> Squares:
    return Squares(a=a, b=b, sum_of_squares=a * a + b * b)
