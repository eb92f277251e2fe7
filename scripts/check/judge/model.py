"""A slow model of event time: it reads one record at a time and knows nothing of batches.

What a window, a late record and a correction are is written down here a second time, as plainly as
it can be said, from `docs/SQL.md` alone. Times are integers of microseconds. A record is a tuple
`(time, key, value)`; what a result shows is computed from the list of a group's values.

Absent on purpose: SQL, files, speed.
"""

from dataclasses import dataclass, field

START, END = -(2**63), 2**63 - 1


@dataclass
class Rules:
    """What a source and a window declare."""

    kind: str  # TUMBLING, HOPPING, CUMULATE, SESSION
    size: int  # the gap of a session
    advance: int = 0  # the step of CUMULATE
    delay: int = 0
    lateness: int = 0
    max_ahead: int | None = None
    changes: bool = False
    every: int = 0  # EMIT CHANGES EVERY n ROWS


class Watermark:
    """How far a partition has come."""

    def __init__(self, rules):
        self.rules, self.now, self.last = rules, START, []

    def move(self, time):
        self.last = [*self.last[-7:], time]
        believed = time
        ahead = self.rules.max_ahead
        if ahead is not None and (self.now == START or time - self.now > ahead):
            # Nothing, or nothing near, to hold it against: as far as two others confirm it.
            if len(self.last) < 3:
                return
            believed = sorted(self.last)[-3]
        self.now = max(self.now, believed - self.rules.delay)


@dataclass
class Pane:
    """One group of one window."""

    start: int
    end: int
    key: object
    born: int  # place of its first record
    values: list = field(default_factory=list)
    was_emitted: bool = False


def windows_of(rules, time):
    """The windows of fixed size that a time lies in, by their end."""
    if rules.kind == "TUMBLING":
        start = time // rules.size * rules.size
        return [(start, start + rules.size)]
    if rules.kind == "CUMULATE":
        start = time // rules.size * rules.size
        ends = range(start + rules.advance, start + rules.size + 1, rules.advance)
        return [(start, end) for end in ends if end > time]
    start, found = time // rules.advance * rules.advance, []
    while start + rules.size > time:
        found.append((start, start + rules.size))
        start -= rules.advance
    return sorted(found, key=lambda window: window[1])


class Windows:
    """One partition's windows. `rows` fills with `(key, start, end, values)`, in order."""

    def __init__(self, rules):
        self.rules, self.rows = rules, []
        self.watermark = Watermark(rules)
        self.panes = {}  # (start, end, key) of fixed windows
        self.sessions = {}  # key to a list
        self.late = self.partly_late = self.seen = 0
        self.changed = []

    def run(self, records):
        for record, is_wanted in records:
            if is_wanted:
                self.take(record)
            self.watermark.move(record[0])
            self.close(self.watermark.now)
        self.watermark.now = END
        self.close(END)
        self.flush()
        return self.rows

    def take(self, record):
        time, key, value = record
        self.seen += 1
        taken = self.session(time, key, value) if self.rules.kind == "SESSION" else self.fixed(time, key, value)
        for pane in taken:
            if self.rules.every:
                if not any(pane is other for other in self.changed):
                    self.changed.append(pane)
            elif self.rules.changes:
                self.emit(pane)
            elif pane.end <= self.watermark.now:
                pane.was_emitted = True
                self.emit(pane)
        if self.rules.every and self.seen % self.rules.every == 0:
            self.flush()

    def fixed(self, time, key, value):
        taken, missed = [], 0
        for start, end in windows_of(self.rules, time):
            if self.watermark.now >= end + self.rules.lateness:
                missed += 1
                continue
            pane = self.panes.setdefault((start, end, key), Pane(start, end, key, self.seen))
            pane.values.append(value)
            taken.append(pane)
        self.late += not taken
        self.partly_late += bool(taken and missed)
        return taken

    def session(self, time, key, value):
        gone = self.watermark.now - self.rules.lateness
        open_ones = [s for s in self.sessions.setdefault(key, []) if s.end > gone]
        joined = [s for s in open_ones if time < s.end and time + self.rules.size > s.start]
        joined.sort(key=lambda s: s.start)
        start = min([time, *(s.start for s in joined)])
        end = max([time + self.rules.size, *(s.end for s in joined)])
        if end <= gone:
            self.late += 1
            return []
        born = min([self.seen, *(s.born for s in joined)])
        whole = Pane(start, end, key, born, [v for s in joined for v in s.values] + [value])
        self.sessions[key] = [s for s in open_ones if s not in joined] + [whole]
        # In a block, what was a session of its own is what it has become, at its first place.
        places = [any(pane is other for other in joined) for pane in self.changed]
        if any(places):
            self.changed[places.index(True)] = whole
            self.changed = [pane for pane, gone in zip(self.changed, places) if pane is whole or not gone]
        return [whole]

    def close(self, watermark):
        """Emits what has ended and was not, by end, start and first appearance."""
        if self.rules.changes:
            return
        waiting = self.panes.values() if self.rules.kind != "SESSION" else [s for group in self.sessions.values() for s in group]
        ended = [pane for pane in waiting if pane.end <= watermark and not pane.was_emitted]
        for pane in sorted(ended, key=lambda pane: (pane.end, pane.start, pane.born)):
            pane.was_emitted = True
            self.emit(pane)

    def emit(self, pane):
        self.rows.append((pane.key, pane.start, pane.end, list(pane.values)))

    def flush(self):
        for pane in self.changed:
            self.emit(pane)
        self.changed = []
