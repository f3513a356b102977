"""What the URL libraries of Python take a value for: a list of texts a line in, a list of readings for each out."""

import http.client
import json
import socket
import sys
import urllib.parse
import urllib.request

import httpx
import requests
import urllib3.util

USUAL = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def split(value):
    parts = urllib.parse.urlsplit(value)
    return parts.scheme, parts.hostname, parts.port


def parse(value):
    parts = urllib.parse.urlparse(value)
    return parts.scheme, parts.hostname, parts.port


def opened(value):
    request = urllib.request.Request(value)
    client = http.client.HTTPConnection(request.host)
    return request.type, client.host, client.port if client.port != 80 or request.host.endswith(":80") else None


def pooled(value):
    parts = urllib3.util.parse_url(value)
    return parts.scheme, parts.host, parts.port


def requested(value):
    return split(requests.Request("GET", value).prepare().url)


def adapted(value):
    return pooled(requests.Request("GET", value).prepare().url)


def httpxed(value):
    url = httpx.URL(value)
    return url.scheme, url.raw_host.decode("ascii"), url.port


READERS = {
    "urlsplit": split,
    "urlparse": parse,
    "urllib.request": opened,
    "urllib3": pooled,
    "requests": requested,
    "requests adapter": adapted,
    "httpx": httpxed,
}


def plain(host):
    """The host as it is looked up: the name in ASCII, or the address that the system reads in it."""
    host = host.strip("[]")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        return host, found[0][4][0].split("%")[0]
    except (OSError, UnicodeError):
        return host, None


def readings(value):
    found = []
    for name, reader in READERS.items():
        try:
            scheme, host, port = reader(value)
            if not scheme or not host:
                continue
            name_of, address = plain(host)
            found.append([name, scheme.lower(), name_of, port or USUAL.get(scheme.lower()), address])
        except Exception:
            continue
    return found


for line in sys.stdin:
    print(json.dumps([readings(value) for value in json.loads(line)]), flush=True)
