"""Tasks, cancellation and context variables inside a request."""

import json
import sys
import threading
from pathlib import Path

import pytest

APP = "asgi_tasks:app"

sys.path.insert(0, str(Path(__file__).parent.parent / "apps"))
from asgi_tasks import CHECKS  # noqa: E402

sys.path.pop(0)

LATER = ["done_callback", "done_callback_later", "another_awaits_me"]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_check(served, name):
    client = served.client()
    for _ in range(3):  # one keep-alive connection: nothing is left behind
        client.request("GET", "/" + name)
        reply = client.getresponse()
        assert reply.status == 200, reply.read().decode()
        reply.read()
        if name in LATER:
            client.request("GET", "/after/" + name)
            assert json.loads(client.getresponse().read()) == [True, True]
    client.close()


def test_an_awaitable_that_is_no_coroutine(served):
    assert served.get("/timeouts?x").body == b"ok"


@pytest.mark.slow
def test_many_at_once(served):
    failures = []

    def run():
        client = served.client()
        for _ in range(10):
            for name in (
                "context_is_the_request_s",
                "task_is_real",
                "context_without_suspension",
                "anyio_scopes",
                "timeouts",
            ):
                client.request("GET", "/" + name)
                reply = client.getresponse()
                text = reply.read().decode()
                if reply.status != 200:
                    failures.append((name, text))
        client.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
