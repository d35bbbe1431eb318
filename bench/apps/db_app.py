"""The routes of db.c in FastAPI and asyncpg."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel


class Item(BaseModel):
    id: int
    name: str
    email: str
    score: float


class Updated(BaseModel):
    updated: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


async def connection(request: Request) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire() as made:
        yield made


Database = Annotated[asyncpg.Connection, Depends(connection)]


@app.get("/items/{id}")
async def one(db: Database, id: int) -> Item:
    sql = "select id, name, email, score from items where id = $1"
    row = await db.fetchrow(sql, id)
    if row is None:
        raise HTTPException(404)
    return Item(**row)


@app.get("/after/{after}")
async def many(db: Database, after: int) -> list[Item]:
    sql = """select id, name, email, score from items
        where id > $1 order by id limit 20"""
    return [Item(**row) for row in await db.fetch(sql, after)]


@app.get("/update/{after}")
async def update(db: Database, after: int) -> Updated:
    sql = "update counters set total = total + 1 where id = $1"
    updated = 0
    async with db.transaction():
        for id in range(after + 1, after + 21):
            updated += await db.execute(sql, id) == "UPDATE 1"
    return Updated(updated=updated)


@app.get("/batch/{after}")
async def batch(db: Database, after: int) -> Updated:
    sql = "update counters set total = total + 1 where id = $1"
    ids = [(id,) for id in range(after + 1, after + 21)]
    await db.executemany(sql, ids)  # in a transaction of its own
    return Updated(updated=len(ids))
