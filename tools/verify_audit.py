#!/usr/bin/env python3
"""Verifies the folder of a Bastide audit log. Written from docs/audit-format.md; shares no code with the writer.

usage: verify_audit.py FOLDER [--key FILE] [--checkpoint FILE]
Prints one JSON object; exit 0 when there is no problem, 1 when there is one. Run it on a stopped log or on a copy.
"""
import argparse, base64, hashlib, json, os, re, stat, struct, sys

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def add(a, b):
    """Point addition in extended coordinates. Source: RFC 8032 section 6."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, point)
        point, n = add(point, point), n >> 1
    return out


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = point(bytes([0x58]) + bytes([0x66]) * 31)


def ed25519(public, message, signature):
    """RFC 8032 section 5.1.7."""
    a, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= Q:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def read_key(text):
    found = re.fullmatch(r"([!-*,-~]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})\n?", text)
    if not found:
        raise ValueError("the key is not a signed-note key")
    name, data = found[1], base64.b64decode(found[3])
    key_id = sha(name.encode(), b"\n", data)[:4]
    if data[0] != 1 or key_id.hex() != found[2]:
        raise ValueError("the key's id does not fit")
    return name, key_id, data[1:]


def read_note(note, key):
    name, key_id, public = key
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    signed = False
    for line in lines.splitlines():
        if line.startswith("\u2014 " + name + " "):
            data = base64.b64decode(line.rsplit(" ", 1)[1], validate=True)
            if data[:4] == key_id:
                if not ed25519(public, text.encode(), data[4:]):
                    raise ValueError("a checkpoint whose signature does not fit")
                signed = True
    form = r"(.+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\ntime (\S+Z)\ndropped (0|[1-9]\d*)\nstate (open|closed)\n"
    found = re.fullmatch(form, text)
    if not signed or not found or found[1] != name or not note.endswith("\n"):
        raise ValueError("a checkpoint without the form or the key's signature")
    return {"size": int(found[2]), "root": base64.b64decode(found[3]), "time": found[4], "dropped": int(found[5]), "state": found[6]}


def root(stack):
    out = stack[-1] if stack else sha()
    for left in reversed(stack[:-1]):
        out = sha(b"\1", left, out)
    return out


class Log:
    def __init__(self, folder, outside):
        self.folder, self.outside, self.problems, self.seen = folder, outside, [], set()
        self.size, self.stack, self.levels, self.late = 0, [], [], []

    def problem(self, file, what):
        self.problems.append({"file": file, "what": what})

    def read(self, path):
        self.seen.add(path)
        try:
            with open(os.path.join(self.folder, path), "rb") as file:
                return file.read()
        except OSError as error:
            self.problem(path, f"cannot be read: {error.strerror}")

    def grow(self, leaf):
        node, rest = leaf, self.size
        while rest & 1:
            node, rest = sha(b"\1", self.stack.pop(), node), rest >> 1
        self.stack.append(node)
        self.size += 1
        node = leaf
        for level in range(8):
            if len(self.levels) <= level:
                self.levels.append([])
            row = self.levels[level]
            row.append(node)
            if len(row) < 256:
                break
            number = (self.size >> 8 * (level + 1)) - 1
            digits = f"{number:03}"
            digits = digits.zfill(-(-len(digits) // 3) * 3)
            groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
            path = f"tile/{level}/" + "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
            full = os.path.join(self.folder, path)
            self.seen.add(path)
            if not os.path.exists(full):
                self.late.append((self.size, path))
            elif self.read(path) != b"".join(row):
                self.problem(path, "does not hold the tree's hashes")
            pairs = list(row)
            while len(pairs) > 1:
                pairs = [sha(b"\1", pairs[at], pairs[at + 1]) for at in range(0, len(pairs), 2)]
            node = pairs[0]
            row.clear()
        self.meet()

    def meet(self):
        if self.outside and self.outside["size"] == self.size:
            if self.outside["root"] != root(self.stack):
                self.problem("the given checkpoint", "the log did not grow out of it")
            self.outside = None

    def verify(self, key):
        nodes = {}
        for base, folders, files in os.walk(self.folder):
            for name in folders + files:
                path = os.path.relpath(os.path.join(base, name), self.folder)
                about = os.lstat(os.path.join(base, name))
                nodes[path] = stat.S_ISDIR(about.st_mode)
                if not nodes[path] and (not stat.S_ISREG(about.st_mode) or about.st_nlink > 1):
                    self.problem(path, "is a link or no regular file")
        own = self.read("log.pub") or b""
        try:
            if not own.endswith(b"\n") or (key and read_key(own.decode()) != key):
                raise ValueError("the key is another")
            key = read_key(own.decode())
        except ValueError as error:
            self.problem("log.pub", str(error))
        self.meet()
        last, notes, size, closed, prepared, first = None, set(), None, False, False, 0
        segments = sorted(path for path in nodes if re.fullmatch(r"segment/\d{10}", path))
        for at, path in enumerate(segments):
            ordinal = int(path[8:])
            if at and ordinal != int(segments[at - 1][8:]) + 1:
                self.problem(path, "the segment before it is missing")
            data = self.read(path)
            if data is None:
                continue
            if prepared:
                self.problem(path, "stands after the prepared segment")
            elif not data.strip(b"\0"):
                prepared = True
                if len(data) != size:
                    self.problem(path, "is a prepared segment of another size")
            else:
                count = struct.unpack_from("<Q", data, 24)[0] if len(data) >= 4096 else 0
                if at == 0:
                    size, first = len(data), count
                    for tile in range(-(-count // 256)):
                        groups = [f"{tile // 1000**i % 1000:03}" for i in range(4) if i == 0 or tile >= 1000**i][::-1]
                        hashes = self.read("tile/0/" + "/".join(["x" + group for group in groups[:-1]] + groups[-1:])) or b""
                        for leaf in range(0, min(8192, 32 * (count - 256 * tile)), 32):
                            self.grow(hashes[leaf:leaf + 32])
                header = (b"bastide1" + struct.pack("<QQQ", ordinal, size or 0, self.size) + b"".join(self.stack)).ljust(4096, b"\0")
                if data[:4096] != header or len(data) != size:
                    self.problem(path, "its header or size does not fit")
                    continue
                place, closed = 4096, False
                while place + 40 <= len(data) and any(data[place:place + 4]):
                    length, kind = struct.unpack_from("<II", data, place)
                    body, end = data[place + 40:place + 40 + length], -(-(place + 40 + length) // 8) * 8
                    leaf = data[place + 8:place + 40]
                    if end > len(data) or sha(b"\0", body) != leaf or kind not in (1, 2) or any(data[place + 40 + length:end]):
                        break
                    try:
                        if kind == 1:
                            if json.loads(body)["kind"] not in ("intent", "outcome", "decision", "approval", "act", "event", "probe"):
                                raise ValueError("a record of no known kind")
                            closed = False
                            self.grow(leaf)
                        else:
                            note = read_note(body.decode(), key)
                            if (note["size"], note["root"]) != (self.size, root(self.stack)):
                                raise ValueError("a checkpoint that does not fit the records before it")
                            if last and (note["time"] < last["time"] or note["dropped"] < last["dropped"]):
                                raise ValueError("a checkpoint that goes back behind the one before")
                            last, closed = note, note["state"] == "closed"
                            notes.add(body)
                            newest = body
                    except (ValueError, KeyError, TypeError) as error:
                        self.problem(path, f"at {place}: {error}")
                    place = end
                if data[place:].strip(b"\0"):
                    self.problem(path, f"at {place}: what stands there is no whole frame")
        if last is None:
            self.problem("segment", "holds no good checkpoint")
        elif self.read("checkpoint") not in ({newest} if closed else notes):
            self.problem("checkpoint", "is not the checkpoint that the segments end with")
        if last and (first > last["dropped"] or (closed and (first != last["dropped"] or not prepared))):
            self.problem("segment", "a segment is missing or should be gone")
        if self.outside:
            self.problem("the given checkpoint", "covers more than the log has")
        for size, path in self.late:
            if last and size <= last["size"]:
                self.problem(path, "is missing")
        folders = {"segment"} | {path[:at] for path in self.seen for at in range(len(path)) if path[at] == "/"}
        for path, is_folder in nodes.items():
            transient = not closed and path in ("segment/preparing", "checkpoint.new")
            if path not in (folders if is_folder else self.seen) and not transient:
                self.problem(path, "does not belong to the log")
        return last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--key", help="the log's key, known from elsewhere")
    parser.add_argument("--checkpoint", help="an earlier checkpoint, kept elsewhere")
    options = parser.parse_args()
    key = read_key(open(options.key).read()) if options.key else None
    outside = None
    if options.checkpoint:
        known = key or read_key(open(os.path.join(options.folder, "log.pub")).read())
        outside = read_note(open(options.checkpoint, newline="").read(), known)
    log = Log(options.folder, outside)
    last = log.verify(key)
    point = last and {"size": last["size"], "root": last["root"].hex(), "time": last["time"]}
    answer = {"ok": not log.problems, "records": log.size, "checkpoint": point, "key_from": "given" if key else "folder", "problems": log.problems}
    print(json.dumps(answer))
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
