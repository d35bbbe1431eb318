"""Behind proxies: their headers and the PROXY protocol; limits of requests."""

import json
import threading
import time

import pytest

APP = "asgi_raw:app"
TRUSTED = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]
SETTINGS = {"trusted": TRUSTED}


@pytest.fixture(scope="module", autouse=True)
def _environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORWARDED_ALLOW_IPS", ",".join(TRUSTED))  # uvicorn's
        yield


def scope(served, *headers, path="/scope"):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
    return json.loads(raw(served, head.encode()).partition(b"\r\n\r\n")[2])


def raw(served, data):
    answer = b""
    with served.connect(data) as client:
        while part := client.recv(65536):
            answer += part
    start, end = answer.index(b"{"), answer.rindex(b"}")
    return answer[: answer.index(b"\r\n\r\n") + 4] + answer[start : end + 1]


# --- What uvicorn has too


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.1", ["192.0.2.1", 0]),
        ("6.6.6.6, 192.0.2.1", ["192.0.2.1", 0]),
        ("6.6.6.6, 192.0.2.1, 10.1.1.1", ["192.0.2.1", 0]),
        ("6.6.6.6,192.0.2.1,10.1.1.1,2001:db8::5", ["192.0.2.1", 0]),
        ("10.2.2.2, 10.1.1.1", ["10.2.2.2", 0]),
        ("192.0.2.1:4711", ["192.0.2.1", 4711]),
        ("[2001:db9::1]:4711, 10.1.1.1:80", ["2001:db9::1", 4711]),
        ("2001:db9::1", ["2001:db9::1", 0]),
    ],
)
def test_client(served, value, client):
    assert scope(served, ("X-Forwarded-For", value))["client"] == client


def test_client_of_several_lines(served):
    lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.1")]
    assert scope(served, *lines)["client"] == ["192.0.2.1", 0]
    lines = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "10.0.0.1")]
    assert scope(served, *lines)["client"] == ["192.0.2.1", 0]


def test_empty_client(served):
    assert scope(served, ("X-Forwarded-For", ""))["client"][0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("value", "scheme"), [("https", "https"), ("http", "http"), ("ftp", "http")]
)
def test_scheme(served, value, scheme):
    assert scope(served, ("X-Forwarded-Proto", value))["scheme"] == scheme


def test_headers_stay(served):
    got = scope(served, ("X-Forwarded-For", "192.0.2.1"))
    assert ["x-forwarded-for", "192.0.2.1"] in got["headers"]


# --- What it has not


def test_host(ours):
    got = scope(ours, ("X-Forwarded-Host", "example.com:8443"))
    assert [v for k, v in got["headers"] if k == "host"] == ["example.com:8443"]
    got = scope(ours, ("X-Forwarded-Host", "evil.com/path"))
    assert ["host", "x"] in got["headers"]
    got = scope(ours, ("X-Forwarded-Port", "8443"))
    assert ["host", "x:8443"] in got["headers"]


def test_prefix(ours):
    got = scope(ours, ("X-Forwarded-Prefix", "/api"))
    assert got["root_path"] == "/api"
    assert got["path"] == "/api/scope"
    assert got["raw_path"] == "/api/scope"
    assert scope(ours)["root_path"] == ""


def test_forwarded(ours):
    value = 'for=6.6.6.6, for="[2001:db9::1]:5";host=a;proto=https, for=10.0.0.1'
    got = scope(ours, ("Forwarded", value))
    assert got["client"] == ["2001:db9::1", 5]
    assert got["scheme"] == "https"
    assert ["host", "a"] in got["headers"]


def test_the_clients_own_forwarded(ours):
    """A proxy that sets X-Forwarded-For lets Forwarded through."""
    lines = [("Forwarded", "for=6.6.6.6;host=evil"), ("X-Forwarded-For", "192.0.2.1")]
    got = scope(ours, *lines)
    assert got["client"] == ["192.0.2.1", 0]
    assert ["host", "x"] in got["headers"]


def test_unreadable_client(ours):
    assert scope(ours, ("X-Forwarded-For", "?"))["client"] == ["unknown", 0]
    assert scope(ours, ("Forwarded", 'for="'))["client"] == ["unknown", 0]


def test_untrusted(serve):
    served = serve(APP, trusted=["10.0.0.0/8"])
    lines = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "example.com"),
        ("X-Forwarded-Prefix", "/api"),
    ]
    got = scope(served, *lines)
    assert got["client"][0] == "127.0.0.1"
    assert (got["scheme"], got["root_path"]) == ("http", "")
    assert ["host", "x"] in got["headers"]


def test_proxy_protocol(serve):
    served = serve(APP, trusted=["127.0.0.1"], proxy_protocol=True)
    ask = b"GET /scope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    line = b"PROXY TCP6 2001:db9::1 2001:db9::2 11 22\r\n"
    got = json.loads(raw(served, line + ask).partition(b"\r\n\r\n")[2])
    assert got["client"] == ["2001:db9::1", 11]
    assert got["server"] == ["2001:db9::2", 22]
    with served.connect(ask) as client:
        assert client.recv(100) == b""


def test_wrong_entry(serve):
    served = serve(APP, trusted=["10.0.0.1/8"])
    assert served.wait_logged('ValueError: forwarded_allow_ips: "10.0.0.1/8"')
    assert served.process.wait(10) == 1


# --- Limits


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_concurrency(serve):
    served = serve(APP, concurrency=1)
    served.get("/once")
    with served.connect(request("/sleep")):
        time.sleep(0.1)
        got = served.get("/sleep")
    assert (got.status, got.headers["retry-after"]) == (503, "1")
    assert "busy" in json.loads(got.body)["detail"]


def test_queue(serve):
    served = serve(APP, concurrency=1, queue=8)
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(served.get("/sleep").status))
        for _ in range(4)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 4
    assert time.monotonic() - began >= 1.1  # one after the other


def test_address_connections(serve):
    served = serve(APP, address_connections=1, trusted=[])
    with served.connect(request("/once")) as first:
        assert first.recv(100)
        with served.connect() as second:
            second.settimeout(5)
            try:
                assert second.recv(1) == b""
            except ConnectionResetError:
                pass
