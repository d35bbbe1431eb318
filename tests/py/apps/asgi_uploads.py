"""Bodies as they come: their digest, read in several ways."""

import asyncio
import hashlib


async def answer(send, text):
    length = (b"content-length", b"%d" % len(text))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": text.encode()})


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    digest, length, parts = hashlib.sha256(), 0, 0
    how = scope["path"].strip("/")
    while True:
        if how == "slow":
            await asyncio.sleep(0.002 * (parts % 3))
        if how == "cancel" and parts % 2:
            task = asyncio.ensure_future(receive())
            done, _ = await asyncio.wait([task], timeout=0.001)
            message = task.result() if done else None
            task.cancel()
        else:
            message = await receive()
        parts += 1
        if message is None:
            continue
        if message["type"] != "http.request":
            print("LEFT", length, flush=True)
            return
        assert type(message["body"]) is bytes
        digest.update(message["body"])
        length += len(message["body"])
        if not message["more_body"]:
            break
    await answer(send, f"{digest.hexdigest()} {length}")
