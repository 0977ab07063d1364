"""A log file that several processes append to and rotate by size and by time, without losing or tearing a line.

How: a line is one `write` to a descriptor opened with O_APPEND, which no other process can interleave. A process that has
not yet noticed a rotation writes on into the renamed file, where the line is as safe. Who rotates holds `flock` on a file
beside the log; who finds it held leaves the work to the other and writes on, so no process ever waits for another. What the
path points to is compared with the open descriptor before a line is written, unless that was done within the last tenth of
a millisecond: in a burst the comparison costs next to nothing, and otherwise no line goes to a file that was removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from typing import Final

from .. import clock, lifecycle

# Plain paths: pathlib would be a fifth of what this room takes to import.
# ruff: noqa: PTH100, PTH103, PTH104, PTH105, PTH108, PTH116, PTH118, PTH120, PTH208

_CHECK_EVERY: Final = 0.0001
_DAY: Final = 86_400.0
_SLACK: Final = 1.0
_OPEN_AGAIN_AFTER: Final = 0.5
_STEPS_PER_FILE: Final = 64
_MAX_STEP: Final = 1 << 20
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class RotatingFile:
    """An append-only file with two kinds of backups, of which `backup_count` each are kept.

    `max_bytes` is the size at which a file is rotated (0: never), to `path.1` (the newest) … `path.N`. `rotate_every` is the
    length in seconds of the periods, counted from the epoch in UTC, at whose end a file is rotated (None: never), to
    `path.2026-11-28` for whole days, else to `path.2026-11-28T13-30-00Z`: the beginning of its period. So a burst of lines
    throws no earlier day away. With `backup_count` 0 nothing is rotated, as with the standard library's handler. Not
    thread-safe: the caller holds a lock. Methods raise OSError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = 0,
        backup_count: int = 0,
        rotate_every: float | None = None,
    ) -> None:
        self.path = os.path.abspath(path)
        self.max_bytes = max_bytes
        self.backup_count = backup_count
        self.rotate_every = rotate_every
        self._step = min(max(1, max_bytes // _STEPS_PER_FILE), _MAX_STEP) if max_bytes else _MAX_STEP
        self._fd = -1
        self._identity = (0, 0)
        self._unchecked = 0  # bytes written since the path was last compared with the descriptor
        self._trusted_from = 0.0
        self._trusted_until = 0.0
        self._boundary = float("inf")
        self._failure: tuple[float, OSError] | None = None
        self._torn = False
        self._rotation_told = False

    def write(self, line: bytes, now: float) -> None:
        """Append one whole line. `now` is the wall-clock time in seconds that the line bears."""
        if self._fd < 0 or self._unchecked >= self._step or not self._trusted_from <= now < self._trusted_until:
            self._check(len(line))
        if self._torn:
            line = b"\n" + line
        written = os.write(self._fd, line)
        if written != len(line):
            self._write_rest(line, written)
        self._torn = False
        self._unchecked += written

    def close(self) -> None:
        """Close the descriptor; the next `write` opens the file again."""
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)

    # --- Whole lines ---------------------------------------------------------------------------------------------------

    def _write_rest(self, line: bytes, written: int) -> None:
        """A disk that filled up, or a limit, took a part of the line: complete it or take the part back."""
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            self._take_back(line[:written])
            raise

    def _take_back(self, part: bytes) -> None:
        # Only where the part is still the file's end; else the next line begins with a line end of its own.
        try:
            start = os.fstat(self._fd).st_size - len(part)
            if start >= 0 and os.pread(self._fd, len(part), start) == part:
                os.ftruncate(self._fd, start)
                return
        except OSError:
            pass
        self._torn = True

    # --- Is it still our file, and is it time? --------------------------------------------------------------------------

    def _check(self, size: int) -> None:
        now = clock.current().time_ns() / 1e9
        if self._fd < 0:
            self._open_unless_just_failed(now)
        found = _status(self.path)
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            if os.fstat(self._fd).st_nlink == 0:
                lifecycle.report(f"log file {self.path} was removed; a new one is begun")
            self._open()
            found = os.fstat(self._fd)
        if self._is_due(found.st_size, size, now):
            self._rotate(size, now)
        self._unchecked = 0
        self._trusted_from = now - _SLACK  # a line's time is a little older than the moment it is written
        self._trusted_until = min(now + _CHECK_EVERY, self._boundary)

    def _is_due(self, present: int, size: int, now: float) -> bool:
        if self.backup_count <= 0:
            return False
        too_large = 0 < self.max_bytes < present + size
        return present > 0 and (too_large or now >= self._boundary)

    def _open_unless_just_failed(self, now: float) -> None:
        if self._failure is not None and 0 <= now - self._failure[0] < _OPEN_AGAIN_AFTER:
            raise self._failure[1]
        try:
            self._open()
        except OSError as error:
            self._failure = (now, error.with_traceback(None))
            raise
        self._failure = None

    def _open(self) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        descriptor = os.open(self.path, _FLAGS, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", str(self.path))
        if self._fd < 0:
            self._fd = descriptor
        else:
            # The number stays the same: another thread that is about to write can never meet a stranger's descriptor.
            os.dup2(descriptor, self._fd, inheritable=False)
            os.close(descriptor)
        self._identity = (found.st_dev, found.st_ino)
        if self.rotate_every and self.backup_count > 0:
            self._boundary = _next_boundary(self._period_start(found.st_size), self.rotate_every)

    # --- Rotation --------------------------------------------------------------------------------------------------------

    @property
    def _lock_path(self) -> str:
        return f"{self.path}.lock"

    def _period_start(self, size: int) -> float:
        """When the present file's period began: the lock file's time. A file that is empty begins its period now."""
        known = _status(self._lock_path)
        if known is not None and size:
            return known.st_mtime
        os.close(os.open(self._lock_path, _LOCK_FLAGS, 0o600))
        begun = os.stat(self.path).st_mtime if size else clock.current().time_ns() / 1e9
        os.utime(self._lock_path, (begun, begun), follow_symlinks=False)
        return begun

    def _rotate(self, size: int, now: float) -> None:
        try:
            self._rotate_unless_another_does(size, now)
            self._rotation_told = False
        except OSError as error:  # the line is still written, to the file that is there
            self._boundary = now + 60.0 if now >= self._boundary else self._boundary
            if not self._rotation_told:
                self._rotation_told = True
                lifecycle.report(f"log file {self.path} cannot be rotated, it grows on: {error}")

    def _rotate_unless_another_does(self, size: int, now: float) -> None:
        # Opened anew each time: a lock belongs to the open file, which a forked child would share.
        lock = os.open(self._lock_path, _LOCK_FLAGS, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            found = _status(self.path)
            if found is not None and (found.st_dev, found.st_ino) == self._identity:
                if self.rotate_every:
                    self._boundary = _next_boundary(os.fstat(lock).st_mtime, self.rotate_every)
                if not self._is_due(found.st_size, size, now):
                    return
                begun = os.fstat(lock).st_mtime
                os.utime(lock, (now, now))  # before the rename: who opens the new file must read its own period
                if now >= self._boundary:
                    self._put_away(begun)
                else:
                    self._shift()
            self._open()
        finally:
            os.close(lock)

    def _shift(self) -> None:
        """Make every backup one older, from the first free number down; the oldest goes where none is free."""
        numbers = range(1, self.backup_count + 1)
        free = next((number for number in numbers if _status(self._backup(number)) is None), self.backup_count)
        for number in range(free - 1, 0, -1):
            os.replace(self._backup(number), self._backup(number + 1))
        os.replace(self.path, self._backup(1))
        surplus = self.backup_count + 1  # left from a larger backup_count
        while _status(self._backup(surplus)) is not None:
            os.unlink(self._backup(surplus))
            surplus += 1

    def _put_away(self, begun: float) -> None:
        """The file of a period that has ended gets its name; of such files the oldest go."""
        every = self.rotate_every or _DAY
        start = int(begun // every * every)
        stamp = time.strftime("%Y-%m-%d" if every % _DAY == 0 else "%Y-%m-%dT%H-%M-%SZ", time.gmtime(start))
        target, number = f"{self.path}.{stamp}", 0
        while _status(target) is not None:  # the clock went back, or the period is shorter than a second
            number += 1
            target = f"{self.path}.{stamp}.{number}"
        os.rename(self.path, target)
        folder, name = os.path.split(self.path)
        periods = re.compile(re.escape(name) + r"\.(\d{4}-\d\d-\d\d(?:T\d\d-\d\d-\d\dZ)?)(?:\.(\d+))?")
        found = [match for entry in os.listdir(folder) if (match := periods.fullmatch(entry))]
        found.sort(key=lambda match: (match[1], int(match[2] or 0)))
        for match in found[: -self.backup_count]:
            os.unlink(os.path.join(folder, match[0]))

    def _backup(self, number: int) -> str:
        return f"{self.path}.{number}"


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _next_boundary(start: float, every: float) -> float:
    return (start // every + 1) * every
