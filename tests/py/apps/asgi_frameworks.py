"""FastAPI and Starlette as people use them."""

import asyncio
import contextlib
import contextvars
import threading
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse

VAR = contextvars.ContextVar("VAR", default="none")
SEEN = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"started": True}


class Mark(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-mark"] = "1"
        return response


api = FastAPI(lifespan=lifespan)
marked = FastAPI()
marked.add_middleware(Mark)
api.mount("/marked", marked)


async def dependency():
    VAR.set("dependency")
    yield 5
    SEEN.append("dependency closed")


async def pieces(seconds=0.01):
    for i in range(3):
        yield b"part%d;" % i
        await asyncio.sleep(seconds)


for target in (api, marked):

    @target.get("/async")
    async def get_async():
        return {"ok": 1}

    @target.get("/sync")
    def get_sync():
        return {
            "thread": threading.current_thread() is not threading.main_thread(),
            "var": VAR.get(),
        }

    @target.get("/dependency")
    async def get_dependency(x: Annotated[int, Depends(dependency)]):
        return {"x": x, "var": VAR.get()}

    @target.post("/body")
    async def post_body(request: Request):
        return {"size": len(await request.body())}

    @target.get("/stream")
    async def get_stream():
        return StreamingResponse(pieces())

    @target.get("/background")
    async def get_background(tasks: BackgroundTasks):
        tasks.add_task(SEEN.append, "background")
        return {"ok": 1}

    @target.get("/endless")
    async def get_endless():
        async def endless():
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.005)
            except BaseException:
                SEEN.append("endless ended")
                raise

        return StreamingResponse(endless())

    @target.get("/gone")
    async def get_gone(request: Request):
        SEEN.append("gone waits")
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        SEEN.append("gone seen")


@api.get("/seen")
async def get_seen():
    seen = SEEN[:]
    SEEN.clear()
    return seen


@api.get("/started")
async def get_started(request: Request):
    return request.state.started


app = api
