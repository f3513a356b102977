#!/usr/bin/env python3
"""Verifies the folder of a Bastide audit log. Written from docs/audit-format.md; shares no code with the writer.

Prints one JSON object; exit 0 when there is no problem, 1 when there is one. Of a log that a gateway is writing, all up to the newest checkpoint is judged;
"in_progress" says how many records stand behind it. Archives that are not here are told and are no problem.
"""
import argparse, base64, contextlib, fcntl, hashlib, json, os, re, stat, struct, sys
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # RFC 8032 section 5.1
D = -121665 * pow(121666, -1, P) % P
CHECKPOINT = r"(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\ntime (\S+Z)\ndropped (0|[1-9]\d*)\nstate (open|closed)\n"
KINDS = ("intent", "outcome", "decision", "approval", "act", "event", "probe")
def check(holds, what):
    if not holds:
        raise ValueError(what)
def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def add(a, b):
    e, f, c, d = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    return (f - e) * (d - c) % P, (d + c) * (f + e) % P, (d - c) * (d + c) % P, (f - e) * (f + e) % P
def times(n, point):
    out = (0, 1, 1, 0)
    for bit in f"{n:b}":
        out = add(out, out) if bit == "0" else add(add(out, out), point)
    return out
def point(data):
    sign, y = divmod(int.from_bytes(data, "little"), 1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    check(y < P and (x * x - square) % P == 0 and (x or not sign), "a key or signature that is no point of the curve")
    x = P - x if x % 2 != sign else x
    return x, y, 1, x * y % P
def read_key(text):
    found = re.fullmatch(r"([!-*,-~]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})\n?", text)
    data = base64.b64decode(found[3]) if found else b""
    check(found and data[0] == 1 and sha(found[1].encode(), b"\n", data)[:4].hex() == found[2], "is not a signed-note key")
    return found[1], bytes.fromhex(found[2]), data[1:]
def read_note(note, key, form):
    """What the groups of form match in the text of a note with one good signature."""
    text, data = note.rpartition("\n\n")[0] + "\n", base64.b64decode(note.rpartition(" ")[2].rstrip("\n"))
    whole = note == f"{text}\n\u2014 {key[0]} {base64.b64encode(data).decode()}\n" and data[:4] == key[1] and len(data) == 68
    found = re.fullmatch(re.escape(key[0]) + "\n" + form, text)
    check(whole and found, "a note of another form or key, or of other contents")
    s, k = int.from_bytes(data[36:], "little"), int.from_bytes(hashlib.sha512(data[4:36] + key[2] + text.encode()).digest(), "little") % Q
    left, right = times(s, point(bytes([0x58]) + bytes([0x66]) * 31)), add(point(data[4:36]), times(k, point(key[2])))
    check(s < Q and all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1)), "a note whose signature does not fit")
    return found.groups()
def read_checkpoint(note, key):
    size, root, time, dropped, state = read_note(note, key, CHECKPOINT)
    return {"size": int(size), "root": base64.b64decode(root), "time": time, "dropped": int(dropped), "closed": state == "closed"}
def fold(hashes):
    while len(hashes) > 1:
        hashes = [sha(b"\1", *hashes[at:at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]
def tile(level, number):
    groups = re.findall("...", str(number).zfill(-(-len(str(number)) // 3) * 3))
    return f"tile/{level}/" + "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
class Log:
    def __init__(self, folder, key, outside):
        self.folder, self.key, self.outside, self.problems, self.seen, self.archives = folder, key, outside, [], set(), []
        self.leaves, self.stack, self.notes, self.bytes, self.closed, self.bound = [], [], {}, None, False, None
        self.met, lock, self.live = None, os.open(folder, os.O_RDONLY), False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.live = True
        os.close(lock)
    @contextlib.contextmanager
    def judging(self, path, part=False):
        try:
            yield
        except (ValueError, KeyError, TypeError, OSError, struct.error) as error:
            in_progress = part and self.bound is not None and len(self.leaves) >= self.bound
            if not in_progress:
                self.problems.append({"file": path, "what": str(error)})
    def read(self, path):
        self.seen.add(path)
        with open(os.open(os.path.join(self.folder, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read()
    def root(self):
        out = self.stack[-1] if self.stack else sha()
        for left in reversed(self.stack[:-1]):
            out = sha(b"\1", left, out)
        return out
    def grow(self, node):
        rest = len(self.leaves)
        self.leaves.append(node)
        while rest & 1:
            node, rest = sha(b"\1", self.stack.pop(), node), rest >> 1
        self.stack.append(node)
        if self.outside and self.outside["size"] == len(self.leaves):
            self.met = self.root()
    def archive(self, path):
        """The contents of an archive whose seal is good, filled up to a segment."""
        data = self.read(path)
        digest = re.escape(base64.b64encode(sha(data[4096:])).decode())
        form = rf"archive {int(path[8:])}\nfirst (0|[1-9]\d*)\nrecords (0|[1-9]\d*)\nsha256 {digest}\n"
        first, records = map(int, read_note(data[:4096].rstrip(b"\0").decode(), self.key, form))
        _, size, count = struct.unpack_from("<QQQ", data, 4104)
        check(count == first and len(data) - 4096 <= size <= 1 << 28, "does not fit its seal")
        return data[4096:].ljust(size, b"\0"), first, records
    def part(self, path, data, may_skip):
        ordinal, size, count = struct.unpack_from("<QQQ", data, 8)
        while may_skip and len(self.leaves) < count:  # archives that are not here: their hashes are in the tiles
            here = len(self.leaves)
            hashes = self.read(tile(0, here // 256))
            check(len(hashes) == 8192, "the hashes of what was archived before it are missing")
            for at in range(here % 256, min(256, count - here // 256 * 256)):
                self.grow(hashes[32 * at:32 * at + 32])
            self.archives.append({"before": path, "first": here, "records": len(self.leaves) - here, "here": False})
        header = b"bastide1" + struct.pack("<QQQ", int(path[8:]), self.bytes or size, len(self.leaves)) + b"".join(self.stack)
        check(data[:4096] == header.ljust(4096, b"\0") and len(data) == size, "its header or size does not fit")
        self.bytes, place, self.closed = size, 4096, False
        while any(data[place:place + 4]):
            length, kind = struct.unpack_from("<II", data, place)
            body, leaf, end = data[place + 40:place + 40 + length], data[place + 8:place + 40], (place + 47 + length) // 8 * 8
            whole = end <= size and kind in (1, 2) and sha(b"\0", body) == leaf and not any(data[place + 40 + length:end])
            check(whole, f"at {place}: what stands there is no whole frame")
            if kind == 1:
                check(json.loads(body)["kind"] in KINDS, f"at {place}: a record of no known kind")
                self.grow(leaf)
                self.closed = False
            else:
                note, last = read_checkpoint(body.decode(), self.key), next(reversed(self.notes.values()), None)
                back = last and (note["time"] < last["time"] or note["dropped"] < last["dropped"])
                check((note["size"], note["root"]) == (len(self.leaves), self.root()) and not back, f"at {place}: a checkpoint that does not fit")
                self.notes[body], self.closed = note, note["closed"]
            place = end
        check(not data[place:].strip(b"\0"), f"at {place}: what stands there is no whole frame")
    def parts(self, nodes):
        """Gives how many records stand before the first segment, and whether the last one is prepared."""
        segments, first, prepared = sorted(path for path in nodes if re.fullmatch(r"segment/\d{10}", path)), None, False
        for path in sorted(path for path in nodes if re.fullmatch(r"archive/\d{10}", path)):
            with self.judging(path):
                data, before, records = self.archive(path)
                if "segment" + path[7:] in segments:
                    check(self.read("segment" + path[7:]) == data, "is not what its segment holds")
                    continue
                check(segments and path[8:] < segments[0][8:], "stands behind the log's first segment")
                self.part(path, data, True)
                check(len(self.leaves) - before == records, "has another number of records than its seal says")
                self.archives.append({"file": path, "first": before, "records": records, "here": True})
        for at, path in enumerate(segments):
            with self.judging(path, part=True):
                check(at == 0 or int(path[8:]) == int(segments[at - 1][8:]) + 1, "the segment before it is missing")
                data = self.read(path)
                check(not prepared, "stands after the prepared segment")
                if data.strip(b"\0"):
                    first = struct.unpack_from("<Q", data, 24)[0] if first is None else first
                    self.part(path, data, at == 0)
                else:
                    prepared = True
                    check(at and len(data) == self.bytes, "is a prepared segment of another size")
        return first or 0, prepared
    def tiles(self, covered):
        row, level = self.leaves, 0
        while len(row) >= 256:
            for number in range(len(row) // 256):
                with self.judging(tile(level, number)):
                    if (number + 1) << 8 * (level + 1) <= covered or (not self.live and os.path.lexists(os.path.join(self.folder, tile(level, number)))):
                        check(self.read(tile(level, number)) == b"".join(row[256 * number:256 * number + 256]), "does not hold the tree's hashes")
            row, level = [fold(row[at:at + 256]) for at in range(0, len(row) // 256 * 256, 256)], level + 1
    def list(self):
        names = (os.path.relpath(os.path.join(base, name), self.folder) for base, folders, files in os.walk(self.folder) for name in folders + files)
        return {name: os.lstat(os.path.join(self.folder, name)) for name in names if os.path.lexists(os.path.join(self.folder, name))}
    def verify(self):
        with self.judging("log"):
            head, own, nodes = self.read("checkpoint"), self.read("log.pub").decode(), self.list()
            check(own.endswith("\n") and (not self.key or read_key(own) == self.key), "the log's key is another")
            self.key = read_key(own)
            newest = read_checkpoint(head.decode(), self.key)
            self.bound = newest["size"] if self.live else None
            self.outside = self.outside and read_checkpoint(self.outside, self.key)
            self.met = sha() if self.outside and not self.outside["size"] else None
            first, prepared = self.parts(nodes)
            exact, last = self.closed and not self.live, next(reversed(self.notes.values()), newest)
            self.tiles(last["size"])
            if head not in (list(self.notes)[-1:] if exact else self.notes):
                self.problems.append({"file": "checkpoint", "what": "is not the checkpoint that the segments end with"})
            if first > last["dropped"] or (exact and (first != last["dropped"] or not prepared)):
                self.problems.append({"file": "segment", "what": "a segment is missing or should be gone"})
            if self.outside and self.met != self.outside["root"]:
                self.problems.append({"file": "the given checkpoint", "what": "the log did not grow out of it"})
            folders = {"segment", "archive"} | {path[:at] for path in self.seen for at in range(len(path)) if path[at] == "/"}
            for path, about in nodes.items():
                folder = stat.S_ISDIR(about.st_mode)
                passing = not exact and path in ("segment/preparing", "archive/preparing", "checkpoint.new") or self.live and re.match(r"tile/|segment/\d{10}$", path)
                if path not in (folders if folder else self.seen) and not passing or not folder and (not stat.S_ISREG(about.st_mode) or about.st_nlink > 1):
                    self.problems.append({"file": path, "what": "does not belong to the log, or is a link"})
            return last, nodes
        return None, {}
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--key", help="the log's key, known from elsewhere")
    parser.add_argument("--checkpoint", help="an earlier checkpoint, kept elsewhere")
    options = parser.parse_args()
    key = options.key and read_key(open(options.key).read())
    outside = options.checkpoint and open(options.checkpoint, newline="").read()
    for _ in range(20):
        log = Log(options.folder, key, outside)
        last, nodes = log.verify()
        if not log.problems or not log.live or set(nodes) == set(log.list()):  # else files came or went meanwhile
            break
    size = last["size"] if last else 0
    answer = {"ok": not log.problems, "records": len(log.leaves), "checkpoint": last and {"size": size, "root": last["root"].hex(), "time": last["time"]},
              "key_from": "given" if options.key else "folder", "archives": log.archives, "problems": log.problems}
    print(json.dumps(answer | ({"in_progress": len(log.leaves) - size} if log.live else {})))
    return 0 if answer["ok"] else 1
if __name__ == "__main__":
    sys.exit(main())
