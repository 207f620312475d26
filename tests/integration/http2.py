"""HTTP/2 in bytes (RFC 9113), for peers that do not keep to it: connections and frames."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, CONTINUATION = 0, 1, 4, 6, 9
ACK = 1


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


# How a connection begins: the preface, and settings that change nothing.
BEGIN = PREFACE + frame(SETTINGS, 0, 0, b"")
