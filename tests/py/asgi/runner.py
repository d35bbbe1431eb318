"""Serves an application on an inherited listening socket, by us or by uvicorn.

runner.py inlay|uvicorn MODULE:ATTRIBUTE FD auto|asyncio|uvloop SETTINGS

SETTINGS are keywords of ours, as JSON.
"""

import asyncio
import importlib
import json
import logging
import signal
import sys


async def serve_inlay(app, fd, settings):
    from inlay import _core
    from inlay.lifespan import Lifespan

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    lifespan = Lifespan(app)
    await lifespan.startup()
    server = _core.Server(app, [fd], loop=loop, state=lifespan.state, **settings)
    server.start()
    await stop.wait()
    server.drain()
    for _ in range(250):
        if not server.connections() and not server.in_flight():
            break
        await asyncio.sleep(0.02)
    server.cancel()
    await asyncio.sleep(0)
    server.stop()
    await lifespan.shutdown()


def main():
    server, target, fd, loop, settings = sys.argv[1:6]
    settings = json.loads(settings)
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    logging.basicConfig(level=logging.INFO)
    if server == "uvicorn":
        import uvicorn

        uvicorn.run(
            app,
            fd=int(fd),
            access_log=False,
            loop=loop,
            log_config=None,
            interface="asgi3",
        )
    elif loop == "uvloop":
        import uvloop

        uvloop.install()
        asyncio.run(serve_inlay(app, int(fd), settings))
    else:
        asyncio.run(serve_inlay(app, int(fd), settings))


if __name__ == "__main__":
    main()
