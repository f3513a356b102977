"""Where the system leads what programs read in a value: a list of texts a line in, for each a list of readings with the real path out.

The first argument is where relative paths begin. What is not there is made, as a program that writes would, and taken away again."""

import json
import os
import stat
import sys
import unicodedata
import urllib.parse

HERE = sys.argv[1]
os.environ["HOME"] = sys.argv[2]
os.environ["OUT"] = sys.argv[2]


def readings(value):
    once = urllib.parse.unquote(value)
    bare = value.strip()
    read = {
        "as it is": value,
        "decoded": once,
        "decoded twice": urllib.parse.unquote(once),
        "folded": unicodedata.normalize("NFKC", value),
        "composed": unicodedata.normalize("NFC", value),
        "decomposed": unicodedata.normalize("NFD", value),
        "decoded and folded": unicodedata.normalize("NFKC", once),
        "slashed": value.replace("\\", "/"),
        "decoded and slashed": once.replace("\\", "/"),
        "bare": bare,
        "unquoted": bare.strip("\"'"),
        "expanded": os.path.expandvars(os.path.expanduser(value)),
        "plain": os.path.normpath(value),
        "cut at NUL": value.split("\0")[0],
        "decoded and cut at NUL": once.split("\0")[0],
    }
    if value.lower().startswith("file:"):
        read["address"] = urllib.parse.urlsplit(value).path
    return read


def real(path):
    made = False
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        opened = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_CREAT, 0o600)
        made = True
    try:
        found = os.readlink(f"/proc/self/fd/{opened}")
        mode = os.fstat(opened).st_mode
        if made:
            os.unlink(found)
        kind = "plain" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "device"
        return [found, kind]
    finally:
        os.close(opened)


def answer(value):
    found = []
    seen = set()
    for name, reading in readings(value).items():
        path = os.path.join(HERE, reading)
        if path in seen:
            continue
        seen.add(path)
        try:
            found.append([name, *real(path)])
        except (OSError, ValueError):
            continue
    return found


for line in sys.stdin:
    print(json.dumps([answer(value) for value in json.loads(line)]), flush=True)
