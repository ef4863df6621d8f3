"""Blobs by hash over a real HTTP server."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.errors import InvalidInput, NotFound, Unavailable, Untrusted
from pilothouse.market.blobs import server as blobs
from pilothouse.market.blobs import tokens
from pilothouse.market.messages.events import BlobRef
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import verify

ALICE = Identity.generate()
LIMIT = 100_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[blobs.BlobServer]:
    server = blobs.BlobServer(tmp_path / "blobs", {ALICE.pubkey}.__contains__, max_blob=LIMIT, quota=3 * LIMIT)
    yield server
    server.close()


@pytest.fixture
def client() -> blobs.BlobClient:
    return blobs.BlobClient(ALICE)


def ask(method: str, url: str, token: str | None = None, body: bytes | None = None) -> tuple[int, bytes, str]:
    headers = {"Authorization": f"Nostr {token}"} if token else {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read(), answer.headers.get("Content-Length", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers.get("X-Reason", "")


def encoded(event: str) -> str:
    return base64.b64encode(event.encode()).decode()


def test_blob_comes_back_as_it_was_and_lies_encrypted(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    data = b"weights" * 1000
    ref = client.put(data, server.url)
    assert client.get(ref) == data
    stored = (server.root / ref.sha256).read_bytes()
    assert hashlib.sha256(stored).hexdigest() == ref.sha256
    assert b"weights" not in stored
    assert ref.key is not None
    assert ref.key not in repr(ref)


def test_public_blob_is_stored_under_the_hash_of_its_content(
    server: blobs.BlobServer, client: blobs.BlobClient
) -> None:
    ref = client.put(b"hello", server.url, private=False)
    assert (ref.sha256, ref.key) == (hashlib.sha256(b"hello").hexdigest(), None)
    assert client.get(ref) == b"hello"
    assert client.put(b"hello", server.url, private=False) == ref


def test_changed_blob_is_untrusted(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    ref = client.put(b"x" * 500, server.url)
    path = server.root / ref.sha256
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(Untrusted, match="hash"):
        client.get(ref)


def test_blob_of_another_size_than_announced_is_untrusted(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    ref = client.put(b"x" * 500, server.url, private=False)
    with pytest.raises(Untrusted, match="hash"):
        client.get(ref.model_copy(update={"size": 499}))
    with pytest.raises(Untrusted, match="too large"):
        client.get(ref.model_copy(update={"size": 2**31}))


def test_wrong_key_is_untrusted(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    ref = client.put(b"x" * 500, server.url)
    with pytest.raises(Untrusted, match="decrypt"):
        client.get(ref.model_copy(update={"key": "0" * 64}))


def test_blob_that_is_not_there_is_not_found(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    with pytest.raises(NotFound, match="has no blob 0000000000000000…"):
        client.get(BlobRef(sha256="0" * 64, size=1, server=server.url))


def test_server_that_is_gone_is_named(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    server.close()
    with pytest.raises(Unavailable, match=server.url):
        client.put(b"x", server.url)
    with pytest.raises(InvalidInput, match="blobs"):
        client.put(b"x", "ftp://127.0.0.1")


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_both_base64_alphabets_are_taken_padded_or_not(
    server: blobs.BlobServer, client: blobs.BlobClient, alphabet: object, padded: bool
) -> None:
    ref = client.put(b"x" * 500, server.url, private=False)
    event = tokens.token(ALICE, "get", ref.sha256, server.url)
    text = alphabet(event.encode()).decode()  # type: ignore[operator]
    text = text if padded else text.rstrip("=")
    assert ask("GET", f"{server.url}/{ref.sha256}.bin", text)[:2] == (200, b"x" * 500)
    assert ask("HEAD", f"{server.url}/{ref.sha256}", text) == (200, b"", "500")


def test_nothing_is_given_or_taken_without_a_token(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    ref = client.put(b"x" * 500, server.url)
    before = sorted(server.root.iterdir())
    url = f"{server.url}/{ref.sha256}"
    assert ask("GET", url)[0] == 401
    assert ask("HEAD", url)[0] == 401
    assert ask("PUT", f"{server.url}/upload", body=b"y")[0] == 401
    assert ask("GET", f"{server.url}/{'0' * 64}")[0] == 401  # nor is it told what there is
    assert sorted(server.root.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t": "upload"}, "not for 'get'"),
        ({"x": "0" * 64}, "another blob"),
        ({"expiration": "1"}, "expired"),
        ({"expiration": None}, "expired"),
        ({"server": "elsewhere.example"}, "another server"),
        ({"port": "9"}, "another server"),
        ({"kind": 1}, "not for"),
    ],
)
def test_token_for_something_else_is_refused(
    server: blobs.BlobServer, client: blobs.BlobClient, change: dict[str, object], reason: str
) -> None:
    ref = client.put(b"x" * 500, server.url)
    good = verify(tokens.token(ALICE, "get", ref.sha256, server.url))
    tags = {tag[0]: tag[1] for tag in good.tags} | {k: v for k, v in change.items() if k != "kind"}
    kind = int(str(change.get("kind", tokens.AUTHORISATION)))
    event = ALICE.sign(kind, "", [[name, str(value)] for name, value in tags.items() if value is not None])
    status, _, why = ask("GET", f"{server.url}/{ref.sha256}", encoded(event))
    assert status == 401
    assert reason in why


def test_token_for_another_server_is_not_made_good_by_what_the_request_calls_ours(
    server: blobs.BlobServer, client: blobs.BlobClient
) -> None:
    """Whoever got a token of ours for its own server may not use it here."""
    ref = client.put(b"x" * 500, server.url)
    for elsewhere in ("http://elsewhere.example", "http://127.0.0.1:9"):
        event = tokens.token(ALICE, "get", ref.sha256, elsewhere)
        request = urllib.request.Request(
            f"{server.url}/{ref.sha256}",
            headers={"Authorization": f"Nostr {encoded(event)}", "Host": elsewhere.removeprefix("http://")},
        )
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=5)


def test_stranger_with_a_key_of_its_own_gets_no_blob_and_leaves_none(
    server: blobs.BlobServer, client: blobs.BlobClient
) -> None:
    ref = client.put(b"x" * 500, server.url)
    before = sorted(server.root.iterdir())
    eve = blobs.BlobClient(Identity.generate())
    with pytest.raises(Unavailable, match="403"):
        eve.get(ref)
    with pytest.raises(Unavailable, match="403"):
        eve.put(b"y" * 500, server.url)
    unknown = BlobRef(sha256="0" * 64, size=1, server=server.url)
    with pytest.raises(Unavailable, match="403"):  # nor is it told what there is
        eve.get(unknown)
    assert sorted(server.root.iterdir()) == before


def test_forged_token_is_refused(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    ref = client.put(b"x" * 500, server.url)
    event = json.loads(tokens.token(ALICE, "get", ref.sha256, server.url))
    event["pubkey"] = Identity.generate().pubkey
    assert ask("GET", f"{server.url}/{ref.sha256}", encoded(json.dumps(event)))[0] == 401
    assert ask("GET", f"{server.url}/{ref.sha256}", "%%%")[0] == 401


def test_upload_of_something_else_than_authorised_leaves_nothing(server: blobs.BlobServer) -> None:
    event = tokens.token(ALICE, "upload", hashlib.sha256(b"announced").hexdigest(), server.url)
    assert ask("PUT", f"{server.url}/upload", encoded(event), b"something else")[0] == 401
    assert list(server.root.iterdir()) == []


def test_upload_over_the_limit_or_the_quota_leaves_nothing(server: blobs.BlobServer, client: blobs.BlobClient) -> None:
    with pytest.raises(Unavailable, match="413"):
        client.put(b"x" * (LIMIT + 1), server.url)
    assert list(server.root.iterdir()) == []
    for _ in range(3):
        client.put(b"x" * (LIMIT - 100), server.url)
    with pytest.raises(Unavailable, match="507"):
        client.put(b"x" * 1000, server.url)
    assert len(list(server.root.iterdir())) == 3


@pytest.mark.parametrize("line", ["PUT /" + "0" * 64, "POST /nothing", "GET /" + "0" * 64])
def test_body_that_no_route_reads_is_not_gathered_in_memory(server: blobs.BlobServer, line: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stranger:
        stranger.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n".encode())
        while stranger.recv(1000):  # it hangs up
            pass


@pytest.mark.parametrize("path", ["/", "/upload/../x", "/..%2f..%2fetc%2fpasswd", "/" + "g" * 64])
def test_paths_that_are_no_hashes_do_not_exist(server: blobs.BlobServer, path: str) -> None:
    assert ask("GET", server.url + path)[0] == 404
