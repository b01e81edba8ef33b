"""Clients that mean no good, one function each; the server must refuse them with the right answer, and
serve everybody else meanwhile.

    attack.py FUNCTION HOST:PORT ADMIN_TOKEN      ends with an AssertionError or quietly
"""
import json
import random
import resource
import select
import socket
import ssl
import sys
import time

HOST, PORT, TOKEN = "", 0, ""
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
CM = "/api/v1/namespaces/default/configmaps"


def same(got, want):
    assert got == want, "got %r, not %r" % (got, want)


def plain(timeout=20):
    return socket.create_connection((HOST, PORT), timeout)


def connect(timeout=20):
    return CONTEXT.wrap_socket(plain(timeout))


def head(method, path, *more, token=None):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: x",
             "Authorization: Bearer " + (token or TOKEN), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Reader:
    """Answers as they come on a connection."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def more(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
            got = b""
        self.data += got
        return bool(got)

    def until(self, mark):
        while mark not in self.data:
            if not self.more():
                return None
        part, self.data = self.data.split(mark, 1)
        return part

    def exactly(self, n):
        while len(self.data) < n:
            if not self.more():
                return None
        part, self.data = self.data[:n], self.data[n:]
        return part

    def answer(self):
        """(status, body), or None when the connection ended."""
        text = self.until(b"\r\n\r\n")
        if text is None:
            return None
        lines = text.decode("latin-1").split("\r\n")
        headers = dict((k.lower(), v.strip()) for k, v in (l.split(":", 1) for l in lines[1:]))
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.exactly(size)
                self.exactly(2)
                if size == 0:
                    break
        else:
            body = self.exactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), body


def ask(method, path, body=None, *more, kind="application/json", token=None):
    """One request on a connection of its own."""
    sock = connect()
    if body is not None:
        body = body if isinstance(body, bytes) else body.encode()
        more += ("Content-Length: %d" % len(body), "Content-Type: " + kind)
    sock.sendall(head(method, path, *more, token=token) + (body or b""))
    answer = Reader(sock).answer()
    sock.close()
    return answer


def status_of(answer, code, reason):
    """The answer is a Status of that code and reason."""
    assert answer is not None, "the connection ended without an answer"
    same(answer[0], code)
    status = json.loads(answer[1])
    same((status["kind"], status["code"], status["reason"]), ("Status", code, reason))
    return status


def others_are_served(within_s):
    start = time.time()
    same(ask("GET", "/readyz")[0], 200)
    same(ask("GET", CM + "?limit=1")[0], 200)
    took = time.time() - start
    assert took < within_s, "two requests took %.1f s" % took


def ended(sock, within_s):
    """The server ends the connection; what it says before that is returned."""
    deadline, said = time.time() + within_s, b""
    sock.settimeout(0.5)
    while time.time() < deadline:
        try:
            got = sock.recv(65536)
            if not got:
                return said
            said += got
        except (socket.timeout, ssl.SSLWantReadError):
            continue
        except (ConnectionResetError, ssl.SSLError, OSError):
            return said
    raise AssertionError("the connection is still open")


# --- Slow ones ---------------------------------------------------------------------------------


def slow_heads():
    """Slowloris: a byte of a head now and then does not keep a connection."""
    socks = [connect() for _ in range(100)]
    text, start = head("GET", "/version"), time.time()
    for sock in socks:
        sock.sendall(text[:20])
    for i in range(20, 23):
        others_are_served(5)
        for sock in socks:
            try:
                sock.sendall(text[i:i + 1])
            except OSError:
                pass
        time.sleep(1)
    said = [ended(sock, 20) for sock in socks]
    assert time.time() - start < 40
    assert b"408 Request Timeout" in said[0], said[0]


def slow_bodies():
    socks = [connect() for _ in range(100)]
    for sock in socks:
        sock.sendall(head("POST", CM, "Content-Type: application/json", "Content-Length: 1000"))
        sock.sendall(b"{")
    others_are_served(5)
    for sock in socks:
        sock.close()


def slow_readers():
    """They ask for much and read nothing."""
    for i in range(4):
        body = {"metadata": {"name": "big-%d" % i}, "data": {"x": "x" * 900000}}
        assert ask("POST", CM, json.dumps(body))[0] in (201, 409)
    socks = []
    for _ in range(60):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect((HOST, PORT))
        sock = CONTEXT.wrap_socket(raw)
        sock.sendall(head("GET", CM))
        socks.append(sock)
    others_are_served(10)
    for sock in socks:
        sock.close()
    for i in range(4):
        ask("DELETE", CM + "/big-%d" % i)


def silent_watchers():
    """Watches that nobody reads, of things that change."""
    socks = []
    for _ in range(60):
        sock = connect()
        sock.sendall(head("GET", CM + "?watch=true"))
        socks.append(sock)
    ask("POST", CM, json.dumps({"metadata": {"name": "busy"}, "data": {}}))
    for i in range(100):
        body = json.dumps({"data": {"x": "%d" % i + "x" * 20000}})
        same(ask("PATCH", CM + "/busy", body, kind="application/merge-patch+json")[0], 200)
    others_are_served(5)
    for sock in socks:
        sock.close()
    ask("DELETE", CM + "/busy")


def unfinished_handshakes():
    socks = [plain() for _ in range(100)]
    for i, sock in enumerate(socks):
        if i % 2:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01")  # a hello that does not go on
    others_are_served(5)
    for sock in socks:
        ended(sock, 20)


# --- Many --------------------------------------------------------------------------------------


def ten_thousand_connections():
    count = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        print("only %d descriptors for one process" % hard)
        count = hard - 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    socks, end = [], time.time() + 60
    while len(socks) < count and time.time() < end:
        sock = socket.socket()
        sock.setblocking(False)
        # from several addresses: one has not enough ports that may be in use at once
        sock.bind(("127.0.0.%d" % (1 + len(socks) % 4), 0))
        sock.connect_ex((HOST, PORT))
        socks.append(sock)
        if len(socks) % 200 == 0:
            time.sleep(0.02)
    same(len(socks), count)
    # the server is full, and closes what idles: whoever tries again gets through
    tries, deadline = 0, time.time() + 30
    while True:
        tries += 1
        try:
            others_are_served(10)
            metrics = ask("GET", "/metrics")[1].decode()
            break
        except (OSError, AssertionError, TypeError):
            assert time.time() < deadline, "nobody gets through after %d tries" % tries
            time.sleep(0.2)
    now = int([l for l in metrics.splitlines() if l.startswith("gantry_connections ")][0].split()[1])
    assert now <= 4096, now
    print("%d connections at once, %d tries of a good client" % (now, tries))
    for sock in socks:
        sock.close()


# --- Heads -------------------------------------------------------------------------------------


def huge_heads():
    same(Reader(sent(head("GET", "/version", "X: " + "x" * 100000))).answer()[0], 431)
    many = ["X-%d: y" % i for i in range(5000)]
    assert Reader(sent(head("GET", "/version", *many))).answer()[0] in (400, 431)
    assert Reader(sent(head("GET", "/version?" + "x" * 200000))).answer()[0] in (400, 414, 431)
    status_of(ask("GET", "/version", token="x" * 40000), 401, "Unauthorized")


def sent(data):
    sock = connect()
    try:
        sock.sendall(data)
    except OSError:
        pass  # refused meanwhile: the answer counts
    return sock


def ambiguous_heads():
    """Heads that two readers could understand differently are refused, and end the connection."""
    smuggled = b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + \
        TOKEN.encode() + b"\r\n\r\n"
    bad = [
        head("POST", CM, "Content-Length: 2", "Content-Length: 3") + b"{}" + smuggled,
        head("POST", CM, "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + smuggled,
        head("POST", CM, "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n" + smuggled,
        head("POST", CM, "Transfer-Encoding: xchunked") + b"0\r\n\r\n" + smuggled,
        head("POST", CM, "Content-Length: -1") + smuggled,
        head("POST", CM, "Content-Length: 0x2") + b"{}" + smuggled,
        head("POST", CM, "Content-Length : 2") + b"{}" + smuggled,
        head("POST", CM, "X: a\r\n folded") + smuggled,
        head("POST", CM, "X: a\rb") + smuggled,
        head("POST", CM, "X: a\0b") + smuggled,
        b"GET /version\r\n\r\n" + smuggled,
        b"GET  /version HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
        b"GET /version HTTP/3.0\r\nHost: x\r\n\r\n" + smuggled,
        b"GET version HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
        b"\x00\x01\x02\x03\r\n\r\n" + smuggled,
        head("POST", CM, "Transfer-Encoding: chunked") + b"zz\r\n" + smuggled,
        head("POST", CM, "Transfer-Encoding: chunked") + b"ffffffffffffffff\r\n" + smuggled,
        head("POST", CM, "Transfer-Encoding: chunked") + b"2\r\n{}xx0\r\n\r\n" + smuggled,
    ]
    for data in bad:
        reader = Reader(sent(data))
        answer = reader.answer()
        assert answer is not None and answer[0] in (400, 413, 501), (answer, data[:300])
        same(reader.answer(), None)


def pipelines():
    """Many requests at once are answered in order; the answers do not run into each other."""
    sock = connect()
    paths = [CM + "/none-%d" % i for i in range(200)]
    sock.sendall(b"".join(head("GET", p) for p in paths))
    reader = Reader(sock)
    for path in paths:
        status = status_of(reader.answer(), 404, "NotFound")
        same(status["details"]["name"], path.rsplit("/", 1)[1])
    # a body that is not read by its handler is not the next request
    inner = head("GET", "/version")
    sock.sendall(head("GET", CM + "/none", "Content-Length: %d" % len(inner)) + inner +
                 head("GET", CM + "/last"))
    same([status_of(reader.answer(), 404, "NotFound")["details"]["name"] for _ in range(2)],
         ["none", "last"])


# --- Paths -------------------------------------------------------------------------------------


def path_tricks():
    """Who may read one namespace's config maps reads nothing else, however it is written."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/"
    role = {"metadata": {"name": "tricks"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]}
    binding = {"metadata": {"name": "tricks"}, "roleRef": {"kind": "Role", "name": "tricks"},
               "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]}
    ask("POST", rbac + "roles", json.dumps(role))
    ask("POST", rbac + "rolebindings", json.dumps(binding))
    made = ask("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", '{"spec":{}}')
    token = json.loads(made[1])["status"]["token"]
    same(ask("GET", CM, token=token)[0], 200)
    for path in [
        "/api/v1/namespaces/default/secrets", "/api/v1/secrets", "//api/v1/secrets",
        "/api//v1/secrets", "/api/v1//secrets", "/./api/v1/secrets", "/api/v1/../v1/secrets",
        CM + "/../secrets", CM + "/%2e%2e/secrets", CM + "/..%2fsecrets", CM + "%2f..%2fsecrets",
        "/api/v1/namespaces/default%2f../kube-system/configmaps",
        "/api/v1/namespaces/kube-system/configmaps", "/api/v1/namespaces/%64efault%00/configmaps",
        "/api/v1/configmaps", "/API/v1/namespaces/default/secrets", "/api/v1/secrets;/configmaps",
        "/api/v1/secrets?a=/configmaps", "/api/v1/secrets%3f/configmaps", "/api/v1/secrets#x",
        "/api/v1/namespaces/default/configmaps/../../default/secrets",
        "/apis//v1/namespaces/default/secrets", "/apis/v1/secrets",
        "/api/v1/watch/namespaces/default/secrets", "/api/v1/proxy/namespaces/default/pods/x",
        "https://x/api/v1/secrets", "/api/v1/namespaces/default/secrets/%ff", "/%61pi/v1/secrets",
        "/api/v1/namespaces/default/pods/x/exec/../log", "*", "/" + "a/" * 2000,
    ]:
        answer = Reader(sent(head("GET", path, token=token))).answer()
        assert answer is not None and answer[0] in (400, 403, 404, 405), (path, answer)
        assert b"SecretList" not in answer[1]
    ask("DELETE", rbac + "rolebindings/tricks")


# --- Bodies ------------------------------------------------------------------------------------


def deep_bodies():
    merge, patch = "application/merge-patch+json", "application/json-patch+json"
    ask("POST", CM, '{"metadata":{"name":"deep"}}')
    deep = "[" * 200000 + "]" * 200000
    objects = '{"a":' * 100000 + "1" + "}" * 100000
    quoted = json.dumps([{"op": "add", "path": "/" + "a/" * 100000, "value": 1}])
    for body in (deep, objects, "[" * 500000, '{"data":' + objects + "}"):
        status_of(ask("POST", CM, body), 400, "BadRequest")
        status_of(ask("PATCH", CM + "/deep", body, kind=merge), 400, "BadRequest")
    assert ask("PATCH", CM + "/deep", deep, kind=patch)[0] in (400, 422)
    assert ask("PATCH", CM + "/deep", quoted, kind=patch)[0] in (400, 413, 422)
    yaml = "a: &a [x]\n" + "".join(
        "%s: &%s [*%s,*%s,*%s,*%s,*%s,*%s]\n" % (b, b, *([a] * 6)) for a, b in
        zip("abcdefghijklm", "bcdefghijklmn"))
    assert ask("POST", CM, yaml, kind="application/yaml")[0] in (400, 413, 422)
    assert ask("POST", CM, "{" * 100000, kind="application/yaml")[0] == 400
    selector = "?labelSelector=" + "a%2C" * 20000
    assert ask("GET", CM + selector)[0] in (400, 414, 431)
    ask("DELETE", CM + "/deep")


def duplicate_keys():
    body = '{"metadata":{"name":"dup"},"data":{"a":"1","a":"2"}}'
    status = status_of(ask("POST", CM + "?fieldValidation=Strict", body), 400, "BadRequest")
    assert 'duplicate field "data.a"' in status["message"], status
    answer = ask("POST", CM, body)
    same((answer[0], json.loads(answer[1])["data"]["a"]), (201, "2"))
    # two names: what is checked is what is stored
    answer = ask("POST", CM, '{"metadata":{"name":"dup-1"},"metadata":{"name":"dup-2"}}')
    same((answer[0], json.loads(answer[1])["metadata"]["name"]), (201, "dup-2"))
    for name in ("dup", "dup-2"):
        same(ask("DELETE", CM + "/" + name)[0], 200)


def wrong_text():
    for value in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82",
                  b"\\ud800", b"\\udc00\\ud800", b"\\u12", b"a\nb", b"\x00", b"\\x"):
        body = b'{"metadata":{"name":"text"},"data":{"a":"' + value + b'"}}'
        status_of(ask("POST", CM, body), 400, "BadRequest")
    for path in (CM + "/%ff", CM + "?labelSelector=%ff", CM + "/a%00b", CM + "?fieldSelector=%00"):
        assert ask("GET", path)[0] in (400, 404), path
    for body in (b"", b"\xef\xbb\xbf{}", b"null", b"[]", b'"x"', b"1e999", b"{}{}", b"{} x", b"NaN"):
        assert ask("POST", CM, body)[0] in (400, 422), body
    for kind in ("application/vnd.kubernetes.protobuf", "application/yaml"):
        for body in (b"k8s\x00", b"k8s\x00" + b"\xff" * 50, b"k8s\x00\x0a\xff\xff\xff\xff\x0f",
                     b"\x00" * 100, b"\xff\xfe\x00", b"k8s\x00\x12\x7f" + b"a" * 20):
            assert ask("POST", CM, body, kind=kind)[0] in (400, 415, 422), (kind, body)


def large_bodies():
    body = json.dumps({"metadata": {"name": "large"}, "data": {"x": "x" * 4000000}})
    status = status_of(ask("POST", CM, body), 413, "RequestEntityTooLarge")
    same(status["message"], "Request entity too large: limit is 3145728")
    sock = sent(head("POST", CM, "Transfer-Encoding: chunked", "Content-Type: application/json"))
    try:
        for _ in range(64):
            sock.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except OSError:
        pass
    status_of(Reader(sock).answer(), 413, "RequestEntityTooLarge")
    body = json.dumps({"metadata": {"name": "large"}, "data": {"x": "x" * 1100000}})
    status_of(ask("POST", CM, body), 422, "Invalid")


def noise():
    """Random bytes, in TLS and instead of it, and messages that end in the middle."""
    rng = random.Random(1)
    whole = head("POST", CM, "Content-Type: application/json", "Content-Length: 2") + b"{}"
    for i in range(150):
        if i % 3 == 0:
            sock = plain()
            sock.sendall(rng.randbytes(rng.randrange(1, 500)))
        else:
            sock = connect()
            data = bytearray(whole[:rng.randrange(1, len(whole))])
            if i % 3 == 1:
                data = bytearray(whole)
                for _ in range(4):
                    data[rng.randrange(len(data))] = rng.randrange(256)
            sock.sendall(bytes(data))
        if i % 2:
            select.select([sock], [], [], 0.02)
        sock.close()
    others_are_served(5)


def broken_websockets():
    """Frames that are too long, not masked, of no kind, in pieces that do not end."""
    pod = {"metadata": {"name": "sockets"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    pods = "/api/v1/namespaces/default/pods"
    assert ask("POST", pods, json.dumps(pod))[0] == 201
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
               "Sec-WebSocket-Protocol: v5.channel.k8s.io")
    path = pods + "/sockets/exec?command=cat&stdin=true&stdout=true"
    for frame in (b"\x82\x01x", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
                  b"\x8f\x80\x00\x00\x00\x00", b"\x02\x80\x00\x00\x00\x00" * 50,
                  b"\x89\xfe\xff\xff\x00\x00\x00\x00", b"\xf2\x80\x00\x00\x00\x00",
                  b"\x82\x82\x00\x00\x00\x00\x63\x63", b"\x88\x81\x00\x00\x00\x00x"):
        sock = sent(head("GET", path, *upgrade))
        assert b"101" in Reader(sock).until(b"\r\n\r\n")
        sock.sendall(frame)
        sock.close()
    others_are_served(5)
    ask("DELETE", pods + "/sockets?gracePeriodSeconds=0")


if __name__ == "__main__":
    HOST, PORT = sys.argv[2].rsplit(":", 1)
    PORT, TOKEN = int(PORT), sys.argv[3]
    globals()[sys.argv[1]]()
    others_are_served(5)
