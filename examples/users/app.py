"""Users in PostgreSQL: FastAPI, pydantic and asyncpg. users.c is the same in C.

With USERS_IN_C=1 the routes of users.c stand before those of this file.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import asyncpg
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

if os.environ.get("USERS_IN_C") == "1":
    import users  # noqa: F401

COLUMNS = "id, name, email, score, created"
INSERT = """insert into users (name, email, score)
    values ($1, $2, coalesce(cast($3 as double precision), 0))"""
TAKEN = "the email is taken"

Name = Annotated[str, Field(min_length=1, max_length=100)]
Email = Annotated[str, Field(min_length=3, max_length=254, pattern="^[^@]+@[^@]+$")]
Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class User(BaseModel):
    id: int
    name: str
    email: str
    score: float
    created: datetime


class NewUser(BaseModel):
    name: Name
    email: Email
    score: float | None = None


class UserChange(BaseModel):
    name: Name | None = None
    email: Email | None = None
    score: float | None = None


class Transfer(BaseModel):
    to: Id
    amount: Annotated[float, Field(ge=0.01)]


class Created(BaseModel):
    created: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=0, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(title="Users", lifespan=lifespan)


async def connection(request: Request) -> AsyncIterator[asyncpg.Connection]:
    async with request.app.state.pool.acquire() as made:
        yield made


Database = Annotated[asyncpg.Connection, Depends(connection)]


def found(row: asyncpg.Record | None, id: int) -> User:
    if row is None:
        raise HTTPException(404, f"no user {id}")
    return User(**row)


# --- Many: before /users/{id}, which would take their paths ---------------------


@app.get("/users")
async def list_users(
    db: Database, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: Id = 0
) -> list[User]:
    sql = f"select {COLUMNS} from users where id > $1 order by id limit $2"
    return [User(**row) for row in await db.fetch(sql, after, limit)]


@app.post("/users/batch", status_code=201)
async def create_users(
    db: Database,
    users: Annotated[list[NewUser], Body(min_length=1, max_length=1000)],
) -> Created:
    try:
        # One transaction: all of them, or none.
        await db.executemany(
            INSERT, [(user.name, user.email, user.score) for user in users]
        )
    except asyncpg.UniqueViolationError:
        raise HTTPException(409, TAKEN) from None
    return Created(created=len(users))


@app.get("/users/export")
async def export_users(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield "id,name,email\n"
        pool = request.app.state.pool
        async with pool.acquire() as db, db.transaction():
            sql = "select id, name, email from users order by id"
            async for id, *texts in db.cursor(sql):
                name, email = (text.replace('"', '""') for text in texts)
                yield f'{id},"{name}","{email}"\n'

    return StreamingResponse(lines(), media_type="text/csv")


# --- One user -------------------------------------------------------------------


@app.get("/users/{id}")
async def get_user(db: Database, id: Id) -> User:
    sql = f"select {COLUMNS} from users where id = $1"
    return found(await db.fetchrow(sql, id), id)


@app.post("/users", status_code=201)
async def create_user(db: Database, user: NewUser, response: Response) -> User:
    try:
        row = await db.fetchrow(
            f"{INSERT} returning {COLUMNS}", user.name, user.email, user.score
        )
    except asyncpg.UniqueViolationError:
        raise HTTPException(409, TAKEN) from None
    response.headers["location"] = f"/users/{row['id']}"
    return User(**row)


@app.patch("/users/{id}")
async def change_user(db: Database, id: Id, change: UserChange) -> User:
    sql = f"""update users set name = coalesce($2, name),
        email = coalesce($3, email), score = coalesce($4, score)
        where id = $1 returning {COLUMNS}"""
    try:
        row = await db.fetchrow(sql, id, change.name, change.email, change.score)
    except asyncpg.UniqueViolationError:
        raise HTTPException(409, TAKEN) from None
    return found(row, id)


@app.delete("/users/{id}", status_code=204)
async def delete_user(db: Database, id: Id) -> None:
    if await db.execute("delete from users where id = $1", id) == "DELETE 0":
        raise HTTPException(404, f"no user {id}")


# --- Two users, one transaction -------------------------------------------------


async def add_score(db: asyncpg.Connection, id: int, amount: float) -> None:
    sql = "update users set score = score + $2 where id = $1"
    if await db.execute(sql, id, amount) == "UPDATE 0":
        raise HTTPException(404, f"no user {id}")


async def transfer_once(db: asyncpg.Connection, id: int, transfer: Transfer) -> User:
    async with db.transaction():
        await add_score(db, id, -transfer.amount)
        await add_score(db, transfer.to, transfer.amount)
        sql = f"select {COLUMNS} from users where id = $1"
        user = found(await db.fetchrow(sql, id), id)
        if user.score < 0:
            raise HTTPException(409, "the score is not enough")
    return user


@app.post("/users/{id}/transfer")
async def transfer_score(db: Database, id: Id, transfer: Transfer) -> User:
    for _ in range(2):
        try:
            return await transfer_once(db, id, transfer)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            continue
    return await transfer_once(db, id, transfer)
