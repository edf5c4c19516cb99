"""`POST /api/definitions/validate`: the mistakes of a definition's text, before it is one."""

import os
import socket
from urllib.parse import urlsplit

import pytest

from helpers.definition_files import define
from helpers.servers import Server

MIB = 1024 * 1024
PATH = "/api/definitions/validate"
GOOD = 'id = "d"\n[step.a]\ntype = "command"\nrun = ["true"]\n'
BAD = 'id = "d"\n\n[step.a]\ntype = "comand"\nrun = ["true"]\n'


def answer(response):
    """Return `(ok, [(key, line, message)])` of an answer, whose shape must be the contract's."""
    assert response.status_code == 200, response.get_data()
    assert response.content_type == "application/json"
    shown = response.get_json()
    assert set(shown) == {"ok", "problems"}
    assert all(set(problem) == {"key", "line", "message"} for problem in shown["problems"])
    assert shown["ok"] is not bool(shown["problems"])
    return shown["ok"], [tuple(problem.values()) for problem in shown["problems"]]


def ask(client, text, **more):
    return answer(client.post(PATH, data=text, **more))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/toml",
        "text/plain",
        "text/plain; charset=latin-1",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "no type at all",
    ],
)
def test_a_text_is_checked_whatever_its_content_type_is(client, content_type):
    assert ask(client, GOOD, content_type=content_type) == (True, [])
    ok, [(key, line, message)] = ask(client, BAD, content_type=content_type)
    assert (ok, key, line) == (False, "step.a.type", 4)
    assert message.startswith("did you mean command?")


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (b"", [("id", 1), ("step", 1)]),
        (b"\xff\xfe", [("", 1)]),
        (b"{}", [("", 1)]),
        (b"id = 'd'\n\nname = \n", [("", 3)]),
        (b"\0" * 1000, [("", 1)]),
        (b"a." * 100_000, [("", 1)]),
        (b"a = " + b"[" * 100_000, [("", 1)]),
        (GOOD.encode() + b"retries = 0x" + b"f" * 5000, [("step.a.retries", 5)]),
        (GOOD.encode() + "caf\u00e9 = 1".encode("latin-1"), [("", 5)]),
    ],
)
def test_no_body_fails_the_server(client, data, problems):
    ok, found = ask(client, data)
    assert (ok, [(key, line) for key, line, _ in found]) == (False, problems)


def test_the_answer_to_a_file_with_this_text_is_the_same(client, tmp_path):
    text = 'id = "d"\ncolour = "red"\n[step.a]\ntype = "command"\nrun = ["{x}"]\nretry_on = []\n'
    _, found = ask(client, text)
    define(tmp_path, text)
    assert [(key, message) for key, _, message in found] == [
        (problem["key"], problem["reason"])
        for problem in client.get("/api/definitions").get_json()["problems"]
    ]
    assert [line for _, line, _ in found] == [2, 6, 5]


def test_a_text_becomes_no_definition_and_no_other_file_counts(client, tmp_path):
    define(tmp_path, BAD)
    before = client.get("/api/definitions").get_json()
    # neither does the id belong to another, nor is that one's mistake told
    assert ask(client, GOOD) == (True, [])
    assert ask(client, GOOD.replace('"d"', '"other"')) == (True, [])
    assert client.get("/api/definitions").get_json() == before
    assert client.get("/api/definitions/other").status_code == 404
    assert os.listdir(tmp_path / "definitions") == ["d.toml"]


def test_a_definition_called_validate_can_still_be_got(client, tmp_path):
    define(tmp_path, GOOD.replace('"d"', '"validate"'))
    assert client.get(PATH).get_json()["id"] == "validate"
    wrong = client.delete(PATH)
    assert wrong.status_code == 405
    assert set(wrong.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_text_of_1_mib_is_taken_and_a_larger_one_is_413(client):
    assert ask(client, GOOD + "#" * (MIB - len(GOOD))) == (True, [])
    refused = client.post(PATH, data=GOOD + "#" * (MIB - len(GOOD) + 1))
    assert (refused.status_code, refused.get_json()["code"]) == (413, 413)


def test_a_query_is_refused(client):
    refused = client.post(f"{PATH}?id=d", data=GOOD)
    assert (refused.status_code, list(refused.get_json()["errors"])) == (422, ["id"])


def test_the_document_of_the_api_has_the_text_and_the_answer(client):
    call = client.get("/api/openapi.json").get_json()["paths"][PATH]["post"]
    assert call["requestBody"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    assert "Validation" in str(call["responses"]["200"])
    page = client.get("/api/docs").get_data(as_text=True)
    assert PATH in page and 'id="shape-Validation"' in page


# On a real server


def test_a_chunked_text_is_read_whole_and_a_larger_one_refused(shared_server):
    def chunks(size):
        yield GOOD.encode()
        for _ in range(size // 8192):
            yield b"#" * 8192

    assert shared_server.post(PATH, data=chunks(100_000)).json() == {"ok": True, "problems": []}
    assert shared_server.post(PATH, data=chunks(2 * MIB)).status_code == 413
    assert shared_server.post(PATH, data=chunks(0)).json() == {"ok": True, "problems": []}


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Length: 100\r\n\r\nid = 1",
        b"Transfer-Encoding: chunked\r\n\r\n10\r\nid = 1",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nid\r\n0\r\n\r\n",
    ],
)
def test_a_text_that_breaks_off_is_a_client_error(shared_server: Server, raw):
    place = urlsplit(shared_server.url)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n".encode()
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(head + raw)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), received[:200]
