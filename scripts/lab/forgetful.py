"""A file system in memory that forgets what was not flushed, when its power is cut.

Speaks FUSE over /dev/fuse by itself; mounting takes root. What a program sees is what it wrote. What outlives a cut is

- of a file, its bytes at its last fsync, and of those written or cut off since then any part: none, all, the first so many,
  or some with pages of others torn;
- of a directory, its names at its last fsync, and of those made, renamed and removed since then any, in order: a rename
  within a directory is there as a whole or not at all. A name of a file outlives a cut only if the directory has it, however
  often the file was flushed.

So it forgets more than ext4 does, and nothing that POSIX promises. `ignore` names flushes that it does not do, which is as if
the program had not asked: "segment", "checkpoint", "directory", and "truncate" for that of a file that is shortened.
"""

import ctypes
import errno
import os
import stat
import struct
import threading
import time

PAGE = 4096
LIBC = ctypes.CDLL(None, use_errno=True)


class File:
    """A regular file or a link."""

    def __init__(self, number, mode):
        self.number, self.mode, self.mtime = number, mode, time.time_ns()
        self.data, self.durable, self.pending = bytearray(), b"", []

    def write(self, offset, data):
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data
        self.pending.append((offset, bytes(data)))
        self.mtime = time.time_ns()

    def resize(self, size):
        self.data = self.data[:size] + bytes(max(0, size - len(self.data)))
        self.pending.append((size, None))
        self.mtime = time.time_ns()

    def flush(self):
        self.durable, self.pending = bytes(self.data), []

    def cut(self, chance):
        """What is left of it."""
        how = chance.random()
        pieces = []
        for offset, data in self.pending:
            if data is None:
                pieces.append((offset, None))
                continue
            at = 0
            while at < len(data):
                end = min(len(data), at + PAGE - (offset + at) % PAGE)
                pieces.append((offset + at, data[at:end]))
                at = end
        if how < 0.3:
            pieces = []
        elif how < 0.6:
            pieces = pieces[: chance.randrange(len(pieces) + 1)]
        elif how < 0.9:
            pieces = [piece for piece in pieces if chance.random() < 0.5]
        left = bytearray(self.durable)
        for offset, data in pieces:
            if data is None:
                left = left[:offset] + bytes(max(0, offset - len(left)))
                continue
            if len(left) < offset:
                left.extend(bytes(offset - len(left)))
            left[offset : offset + len(data)] = data
        self.data, self.durable, self.pending = left, bytes(left), []


class Directory:
    """Names."""

    def __init__(self, number):
        self.number, self.mode, self.mtime = number, stat.S_IFDIR | 0o700, time.time_ns()
        self.names, self.durable, self.pending = {}, {}, []

    def note(self, *step):
        self.pending.append(step)
        self.apply(self.names, step)
        self.mtime = time.time_ns()

    @staticmethod
    def apply(names, step):
        kind, name, other = step
        if kind == "add":
            names[name] = other
        elif kind == "remove":
            names.pop(name, None)
        elif name in names:
            names[other] = names.pop(name)

    def flush(self):
        self.durable, self.pending = dict(self.names), []

    def cut(self, chance):
        kept = self.pending
        how = chance.random()
        if how < 0.3:
            kept = []
        elif how < 0.6:
            kept = kept[: chance.randrange(len(kept) + 1)]
        elif how < 0.9:
            kept = [step for step in kept if chance.random() < 0.5]
        left = dict(self.durable)
        for step in kept:
            self.apply(left, step)
        self.names, self.durable, self.pending = left, dict(left), []


class Forgetful:
    """The file system, mounted on a directory from `mount` to `unmount`."""

    def __init__(self, path, ignore=()):
        self.path, self.ignore = str(path), set(ignore)
        self.nodes = {1: Directory(1)}
        self.lock = threading.Lock()
        self.fd = self.thread = None
        self.counts = {}

    def mount(self):
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
        if LIBC.mount(b"forgetful", self.path.encode(), b"fuse", 0, options.encode()):
            code = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(code, f"cannot mount a FUSE file system at {self.path}: {os.strerror(code)}; it takes root and /dev/fuse")
        self.thread = threading.Thread(target=self.serve, args=(self.fd,), daemon=True)
        self.thread.start()

    def unmount(self):
        LIBC.umount2(self.path.encode(), 2)  # MNT_DETACH
        self.thread.join(10)
        os.close(self.fd)

    def cut(self, chance):
        """Cuts the power: all that was not flushed may be gone. Nobody may be using it; it is mounted anew."""
        self.unmount()
        with self.lock:
            for node in self.nodes.values():
                node.cut(chance)
            seen, left = {1}, [1]
            while left:
                node = self.nodes[left.pop()]
                for number in node.names.values() if isinstance(node, Directory) else ():
                    if number not in seen:
                        seen.add(number)
                        left.append(number)
            self.nodes = {number: node for number, node in self.nodes.items() if number in seen}
        self.mount()

    def serve(self, fd):
        while True:
            try:
                request = os.read(fd, 1 << 21)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            length, code, unique, number = struct.unpack_from("<IIQQ", request)
            if code in (2, 42, 36):  # FORGET, BATCH_FORGET, INTERRUPT want no answer
                continue
            try:
                with self.lock:
                    answer = self.answer(code, number, request[40:length])
                status = 0
            except OSError as error:
                status, answer = -error.errno, b""
            try:
                os.write(fd, struct.pack("<IiQ", 16 + len(answer), status, unique) + answer)
            except OSError:
                pass
            if code == 38:
                return

    def attributes(self, node):
        size = len(node.data) if isinstance(node, File) else PAGE
        seconds, nanos = divmod(node.mtime, 10**9)
        return struct.pack(
            "<QQQQQQIIIIIIIIII", node.number, size, (size + 511) // 512, seconds, seconds, seconds, nanos, nanos, nanos,
            node.mode, 1, os.getuid(), os.getgid(), 0, PAGE, 0,
        )

    def entry(self, node):
        return struct.pack("<QQQQII", node.number, 0, 0, 0, 0, 0) + self.attributes(node)

    def made(self, parent, name, node):
        self.nodes[node.number] = node
        parent.note("add", name, node.number)
        return node

    def next_number(self):
        self.last = getattr(self, "last", 1) + 1
        return self.last

    def child(self, parent, name):
        if name not in parent.names:
            raise OSError(errno.ENOENT, "")
        return self.nodes[parent.names[name]]

    def flushed(self, node):
        """A flush that was asked for, and is done unless it is one of those that are ignored."""
        if isinstance(node, Directory):
            kind = "directory"
        else:
            names = [name for of in self.nodes.values() if isinstance(of, Directory) for name, number in of.names.items() if number == node.number]
            kind = "checkpoint" if any(b".ck" in name for name in names) else "segment"
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind not in self.ignore:
            node.flush()

    def answer(self, code, number, body):
        if code == 26:
            major, minor, readahead, flags = struct.unpack_from("<IIII", body)
            return struct.pack("<IIIIHHIIHHI7I", 7, min(minor, 31), readahead, flags & (1 << 5), 16, 12, 1 << 17, 1, 32, 0, 0, *[0] * 7)
        if code == 17:
            return struct.pack("<QQQQQIIII6I", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, PAGE, 255, PAGE, 0, *[0] * 6)
        if code == 38:
            return b""
        node = self.nodes.get(number)
        if node is None:
            raise OSError(errno.ESTALE, "")
        if code == 1:
            return self.entry(self.child(node, body.rstrip(b"\0")))
        if code == 3:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
        if code == 4:
            (valid,), (size,) = struct.unpack_from("<I", body), struct.unpack_from("<Q", body, 16)
            if valid & 8 and not ("truncate" in self.ignore and 0 < size < len(node.data)):
                node.resize(size)
            if valid & 1:
                node.mode = stat.S_IFMT(node.mode) | struct.unpack_from("<I", body, 68)[0] & 0o7777
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
        if code == 5:
            return bytes(node.data)
        if code == 6:
            name, target, _ = body.split(b"\0")
            link = self.made(node, name, File(self.next_number(), stat.S_IFLNK | 0o777))
            link.write(0, target)
            link.flush()
            node.flush()
            return self.entry(link)
        if code == 9:
            return self.entry(self.made(node, body[8:].rstrip(b"\0"), Directory(self.next_number())))
        if code in (10, 11):
            name = body.rstrip(b"\0")
            gone = self.child(node, name)
            if code == 11 and gone.names:
                raise OSError(errno.ENOTEMPTY, "")
            node.note("remove", name, None)
            return b""
        if code in (12, 45):
            (parent,) = struct.unpack_from("<Q", body)
            flags = struct.unpack_from("<I", body, 8)[0] if code == 45 else 0
            old, new, _ = body[16 if code == 45 else 8 :].split(b"\0")
            into, moved = self.nodes[parent], self.child(node, old)
            if flags & 1 and new in into.names:
                raise OSError(errno.EEXIST, "")
            if flags & ~1:
                raise OSError(errno.EINVAL, "")
            if into is node:
                node.note("rename", old, new)
            else:
                into.note("add", new, moved.number)
                node.note("remove", old, None)
            return b""
        if code in (14, 27):
            return struct.pack("<QII", number, 0, 0)
        if code == 15:
            offset, size = struct.unpack_from("<QI", body, 8)
            return bytes(node.data[offset : offset + size])
        if code == 16:
            offset, size = struct.unpack_from("<QI", body, 8)
            node.write(offset, body[40 : 40 + size])
            return struct.pack("<II", size, 0)
        if code in (18, 25, 29):
            return b""
        if code in (20, 30):
            self.flushed(node)
            return b""
        if code == 28:
            offset, size = struct.unpack_from("<QI", body, 8)
            listed = b""
            for at, (name, of) in enumerate(sorted(node.names.items())):
                kind = stat.S_IFMT(self.nodes[of].mode) >> 12
                one = struct.pack("<QQII", of, at + 1, len(name), kind) + name
                one += bytes(-len(one) % 8)
                if at >= offset and len(listed) + len(one) > size:
                    break
                listed += one if at >= offset else b""
            return listed
        if code == 35:
            name = body[16:].rstrip(b"\0")
            flags, mode = struct.unpack_from("<II", body)
            if name in node.names:
                raise OSError(errno.EEXIST, "")
            file = self.made(node, name, File(self.next_number(), stat.S_IFREG | mode & 0o777))
            return self.entry(file) + struct.pack("<QII", file.number, 0, 0)
        raise OSError(errno.ENOSYS, "")
