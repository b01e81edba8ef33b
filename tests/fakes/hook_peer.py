#!/usr/bin/env python3
"""KubeVirt's half of an exchange of pre-migration hooks, byte by byte as its Go programs put it on the wire.

    hook_peer.py server SOCKET RECORD ANSWER PIECE   answers one definition with the file ANSWER
    hook_peer.py client SOCKET REQUEST PIECE         prints what the server answers to the file REQUEST
    hook_peer.py same FILE FILE                      whether both are the same document

The server decodes the stream up to the end tag of the root element, which is the frame, and never waits for
the end of the stream.  It removes its socket when somebody has connected.  The client sends what it read and
reads on without a half-close.  PIECE is how many bytes are sent at a time; 0: all.
"""
import os
import socket
import sys
import time
import xml.etree.ElementTree as tree
import xml.parsers.expat

LIMIT_S = 30  # KubeVirt's, over the whole exchange


def send(connection, data, piece):
    if piece == 0:
        connection.sendall(data)
        return
    for at in range(0, len(data), piece):
        connection.sendall(data[at:at + piece])
        if at % 64 == 0:
            time.sleep(0)  # lets the other side read a part


def server(path, record, answer, piece):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    connection, _ = listener.accept()
    listener.close()
    os.unlink(path)
    connection.settimeout(LIMIT_S)
    decoder, depth, got = xml.parsers.expat.ParserCreate(), [0, False], b""

    def start(_name, _attributes):
        depth[0] += 1

    def end(_name):
        depth[0] -= 1
        depth[1] = depth[0] == 0

    decoder.StartElementHandler, decoder.EndElementHandler = start, end
    while not depth[1]:
        data = connection.recv(512)
        if not data:
            sys.exit("the client ended inside the document")
        got += data
        decoder.Parse(data, False)
    # what the client sends behind the root element is still on its way
    connection.settimeout(0.2)
    try:
        while data := connection.recv(512):
            got += data
    except TimeoutError:
        pass
    with open(record, "wb") as file:
        file.write(got)
    connection.settimeout(LIMIT_S)
    with open(answer, "rb") as file:
        send(connection, file.read(), piece)
    connection.close()


def client(path, request, piece):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(LIMIT_S)
    connection.connect(path)
    with open(request, "rb") as file:
        send(connection, file.read(), piece)
    while data := connection.recv(512):
        sys.stdout.buffer.write(data)


def same(first, second):
    texts = [tree.canonicalize(from_file=name, strip_text=True) for name in (first, second)]
    if texts[0] != texts[1]:
        for name, text in zip((first, second), texts):
            print(f"{name}: {text}")
        sys.exit(1)


words = sys.argv[1:]
if words[0] == "server":
    server(words[1], words[2], words[3], int(words[4]))
elif words[0] == "client":
    client(words[1], words[2], int(words[3]))
else:
    same(words[1], words[2])
