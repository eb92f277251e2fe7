"""The kinds of data: what each looks like, with the freedom that its seed has.

A kind is a function of a random generator that gives its rows: the columns that the queries name, and others
beside them. Number and order of columns, widths, shares of NULL, forms of numbers and skew come from the seed.
"""

from random import Random
from typing import NamedTuple

from columns import Column, Columns

WORDS = (
    "order payment gateway timeout retry connection refused upstream user session expired cache miss invalid token"
    " shard replica lag rebalance partition offset commit flush segment index latency budget exceeded node pool"
    " höhe naïve 数据 façade élan"
).split()
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "python-requests/2.31.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15, Mobile/15E148",
]
SERVICES = "checkout cart search auth billing inventory-service recommendation-engine mail gateway".split()
PATHS = "/ /index.html /api/v1/orders /api/v1/users /static/app.js /login /search /api/v2/items/list /healthz".split()


class Kind(NamedTuple):
    """Rows of one kind: their number at scale 1, their columns, and whether they are in one file because of their order."""

    rows: int
    columns: list[Column]
    is_one_file: bool = False


def shuffled(rng: Random, columns: list[Column]) -> list[Column]:
    rng.shuffle(columns)
    return columns


def rides(rng: Random) -> Kind:
    """Taxi rides: some twenty columns, NULLs, money, two times and small codes."""
    c = Columns(rng)
    columns = [
        Column("ride_id", "i"),
        Column("vendor", c.whole(1, 3)),
        Column("pickup_at", c.time("2024-01-01 00:00:00", 1_000_000 * rng.randint(1, 9), 3_600_000_000) + "::TIMESTAMP(0)"),
        Column("dropoff_at", c.time("2024-01-01 00:20:00", 1_000_000 * rng.randint(1, 9), 3_600_000_000) + "::TIMESTAMP(0)"),
        Column("passengers", c.null_in(rng.uniform(0.01, 0.2), c.whole(1, 6))),
        Column("distance", c.short_number(rng.choice([20, 80])), "DOUBLE"),
        Column("pickup_zone", c.skewed(265, rng.uniform(1, 3))),
        Column("dropoff_zone", c.skewed(265, rng.uniform(1, 3))),
        Column("payment", c.one_of(["Credit card", "Cash", "No charge", "Dispute", "Unknown"], 2)),
        Column("fare", c.decimal(90, 2)),
        Column("tip", c.null_in(rng.uniform(0.05, 0.4), c.short_number(20)), "DOUBLE"),
        Column("total", c.decimal(140, 2)),
        Column("flag", c.one_of(["Y", "N"])),
    ]
    for number in range(rng.randint(5, 9)):
        filler = rng.choice([c.short_number(5), c.null_in(rng.random(), c.decimal(9, 2)), c.whole(0, 2)])
        columns.append(Column(f"surcharge_{number}", filler, "DOUBLE"))
    return Kind(2_500_000, shuffled(rng, columns))


def web(rng: Random) -> Kind:
    """A web server's log: quoted agents with commas, URLs with parameters, statuses, times with a zone."""
    c = Columns(rng)
    url = f"{c.one_of(PATHS, 2)} || '?q=' || {c.one_of(WORDS)} || '&page=' || {c.whole(1, 400)}"
    columns = [
        Column("ts", f"strftime({c.time('2024-05-01 00:00:00', 40_000, 1_000_000)}, '%Y-%m-%dT%H:%M:%S.%gZ')"),
        Column("ip", f"'10.' || {c.whole(0, 255)} || '.' || {c.whole(0, 255)} || '.' || {c.whole(0, rng.choice([1, 9]))}"),
        Column("method", c.one_of(["GET", "POST", "PUT", "DELETE"], 3)),
        Column("url", url),
        Column("status", c.one_of(["200", "301", "304", "404", "500", "503"], 3) + "::INT"),
        Column("bytes", c.null_in(rng.uniform(0, 0.2), c.skewed(2_000_000, 4))),
        Column("agent", c.one_of(AGENTS, 1.5)),
        Column("seconds", f"({c.unit()} * {rng.choice([1, 5])})::DECIMAL(9, 3)"),
    ]
    return Kind(2_000_000, shuffled(rng, columns))


def sensors(rng: Random) -> Kind:
    """Some sixty readings a row, most of them doubles, many missing."""
    c = Columns(rng)
    columns = [
        Column("device", "'dev-' || " + c.whole(1, rng.choice([50, 5_000]))),
        Column("ts", c.time("2024-03-01 00:00:00", 500_000, 100_000)),
        Column("temperature", c.double()),
        Column("pressure", c.null_in(rng.uniform(0, 0.3), c.short_number(1_100)), "DOUBLE"),
        Column("is_valid", c.one_of(["true", "false"], 3)),
    ]
    for number in range(rng.randint(45, 60)):
        reading = rng.choice([c.double, lambda: c.short_number(100), lambda: c.whole(0, 1_023)])()
        columns.append(Column(f"reading_{number}", c.null_in(rng.uniform(0, 0.5), reading), "DOUBLE"))
    return Kind(500_000, shuffled(rng, columns))


def notes(rng: Random) -> Kind:
    """Texts with line breaks, commas and doubled quotes in quotes."""
    c = Columns(rng)
    body = (
        f"{c.words(WORDS, 3, 12)} || CASE {c.bits()} % 5 WHEN 0 THEN chr(10) WHEN 1 THEN ', \"' WHEN 2 THEN chr(10) || chr(10)"
        f" ELSE '; ' END || {c.words(WORDS, 2, 8)}"
    )
    columns = [
        Column("note_id", "i"),
        Column("author", "'user' || " + c.skewed(rng.choice([300, 40_000]), 2)),
        Column("written", c.time("2023-01-01 00:00:00", 9_000_000, 5_000_000) + "::DATE"),
        Column("body", body),
        Column("stars", c.null_in(0.1, c.whole(1, 5))),
    ]
    return Kind(1_500_000, shuffled(rng, columns))


def customers(rng: Random) -> Kind:
    """Names and codes of one to sixty bytes."""
    c = Columns(rng)
    code = f"substr(md5({c.skewed(rng.choice([20_000, 200_000]), 1.2)}::VARCHAR), 1, 3 + ({c.bits()} % 6)::INT)"
    columns = [
        Column("customer", f"{c.one_of(WORDS)} || '-' || {c.skewed(rng.choice([2_000, 20_000]), 1.5)} || repeat('x', ({c.bits()} % 3)::INT * 15)"),
        Column("code", code),
        Column("region", c.one_of(["north", "south", "east", "west", "overseas territories"])),
        Column("amount", c.decimal(10_000, 2)),
        Column("count", c.whole(0, 99)),
    ]
    return Kind(4_000_000, shuffled(rng, columns))


def keys(rng: Random) -> Kind:
    """Keys of many kinds: whole numbers skewed and uniform, UUIDs, pairs."""
    c = Columns(rng)
    uniform = c.whole(1, rng.choice([1_000_000, 2_000_000]))
    columns = [
        Column("skewed_key", c.skewed(3_000_000, rng.uniform(1.5, 3)) + f" * {rng.choice([1, 977])}"),
        Column("uniform_key", uniform),
        Column("uuid", c.uuid(c.whole(1, 1_000_000))),
        Column("shop", c.whole(1, 1_000)),
        Column("sku", "'sku' || " + c.whole(1, 900)),
        Column("grade", c.whole(0, rng.choice([4, 60]))),
        Column("value", c.short_number(1_000), "DOUBLE"),
        Column("units", c.whole(-50, 500)),
    ]
    return Kind(4_000_000, shuffled(rng, columns))


def ticks(rng: Random) -> Kind:
    """Ticks of a market: exact prices, times to the microsecond, symbols."""
    c = Columns(rng)
    symbols = ["".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(1, 5))) for _ in range(rng.choice([40, 400]))]
    columns = [
        Column("symbol", c.one_of(sorted(set(symbols)), 1.5)),
        Column("ts", f"(TIMESTAMP '2024-02-01 09:30:00' + to_microseconds(i * {rng.randint(900, 40_000)}))"),
        Column("price", c.decimal(900, rng.choice([2, 4]))),
        Column("size", c.skewed(5_000, 3)),
        Column("venue", c.one_of(["XNAS", "XNYS", "BATS", "IEXG"])),
        Column("sequence", "i"),
    ]
    return Kind(5_000_000, shuffled(rng, columns), is_one_file=True)


def doubles(rng: Random) -> Kind:
    """Results of a simulation: doubles of all lengths, with exponents."""
    c = Columns(rng)
    columns = [Column("run", c.whole(1, rng.choice([8, 1_000])))]
    columns += [Column(name, c.double()) for name in ("x", "y", "z", "energy")]
    columns.append(Column("converged", f"({c.bits()} % 7 <> 0)"))
    return Kind(2_500_000, shuffled(rng, columns))


def messages(rng: Random) -> Kind:
    """Long messages of a log."""
    c = Columns(rng)
    columns = [
        Column("ts", c.time("2024-06-01 00:00:00", 20_000, 9_000)),
        Column("level", c.one_of(["INFO", "WARN", "ERROR", "DEBUG"], 2)),
        Column("host", "'node-' || " + c.whole(1, 64)),
        Column("message", f"{c.words(WORDS, 6, 30)} || ' took ' || {c.whole(1, 90_000)} || 'ms id=' || {c.whole(1, 1_000_000)}"),
    ]
    return Kind(1_500_000, shuffled(rng, columns))


def services(rng: Random) -> Kind:
    """Logs of services as JSON: nested, with keys that are optional and in several orders, escapes, Unicode."""
    c = Columns(rng)
    members = {
        "ts": f"'\"ts\":\"' || strftime({c.time('2024-05-01 00:00:00', 30_000, 1_000_000)}, '%Y-%m-%dT%H:%M:%S.%gZ') || '\"'",
        "service": f"'\"service\":\"' || {c.one_of(SERVICES, 1.5)} || '\"'",
        "level": f"'\"level\":\"' || {c.one_of(['info', 'warn', 'error', 'debug'], 2)} || '\"'",
        "latency": f"'\"latency_ms\":' || {c.short_number(900)}",
        "message": f"'\"message\":' || to_json({c.words(WORDS, 3, 14)} || CASE {c.bits()} % 4 WHEN 0 THEN ' \"x\"\\t' ELSE '' END)",
        "http": f"'\"http\":{{\"method\":\"' || {c.one_of(['GET', 'POST'])} || '\",\"status\":' || {c.one_of(['200', '404', '500', '503'], 3)}"
        f" || ',\"request\":{{\"path\":\"' || {c.one_of(PATHS)} || '\",\"size\":' || {c.skewed(90_000, 3)} || '}}}}'",
        "user": f"CASE WHEN {c.unit()} < {rng.uniform(0.3, 0.9):.2f} THEN '\"user\":' || {c.skewed(400_000, 2)} END",
        "trace": f"CASE WHEN {c.unit()} < 0.5 THEN '\"trace\":\"' || md5(i::VARCHAR) || '\"' END",
    }
    orders = []
    for _ in range(rng.randint(2, 4)):
        names = list(members)
        rng.shuffle(names)
        orders.append("concat_ws(',', " + ", ".join(members[name] for name in names) + ")")
    which = c.bits()
    arms = " ".join(f"WHEN {number} THEN {order}" for number, order in enumerate(orders))
    return Kind(1_200_000, [Column("line", f"'{{' || CASE {which} % {len(orders)} {arms} END || '}}'")])


def events(rng: Random) -> Kind:
    """Events of a forge as JSON: records of very different lengths, two levels deep."""
    c = Columns(rng)
    kinds = ["PushEvent", "WatchEvent", "IssuesEvent", "PullRequestEvent", "ForkEvent"]
    commits = f"array_to_string(list_transform(range(({c.bits()} % 6)::INT), lambda n: '{{\"sha\":\"' || md5((i + n)::VARCHAR) || '\",\"message\":\"fix ' || n || '\"}}'), ',')"
    line = (
        f"'{{\"id\":\"' || (38000000000 + i) || '\",\"type\":\"' || {c.one_of(kinds, 1.7)} || '\",\"actor\":{{\"id\":' || {c.skewed(rng.choice([90_000, 500_000]), 1.5)}"
        f" || ',\"login\":\"u' || {c.skewed(50_000, 1.5)} || '\"}},\"repo\":{{\"name\":\"org' || {c.skewed(3_000, 2)} || '/repo\"}},\"payload\":{{\"size\":' || {c.whole(0, 6)}"
        f" || ',\"commits\":[' || {commits} || ']}},\"public\":' || {c.one_of(['true', 'false'], 3)} || ',\"created_at\":\"'"
        f" || strftime({c.time('2024-01-01 00:00:00', 50_000, 0)}, '%Y-%m-%dT%H:%M:%SZ') || '\"}}'"
    )
    return Kind(1_000_000, [Column("line", line)])


def flows(rng: Random) -> Kind:
    """Flows of a network: addresses, ports, whole numbers, a time in milliseconds since 1970."""
    c = Columns(rng)
    address = lambda: f"'192.168.' || {c.skewed(rng.choice([4, 200]), 2)} || '.' || {c.skewed(255, 1.5)}"
    columns = [
        Column("started_ms", f"(1717200000000 + i * {rng.randint(1, 40)} + {c.whole(0, 900)})"),
        Column("source", address()),
        Column("target", address()),
        Column("source_port", c.whole(1_024, 65_535)),
        Column("target_port", c.skewed(65_535, rng.uniform(3, 8))),
        Column("protocol", c.one_of(["6", "17", "1"], 3) + "::INT"),
        Column("packets", c.skewed(10_000, 5)),
        Column("bytes", c.skewed(90_000_000, 7)),
        Column("flags", c.null_in(rng.uniform(0, 0.4), c.one_of(["SYN", "ACK", "SYN|ACK", "FIN|ACK", "RST"], 2))),
    ]
    for number in range(rng.randint(0, 8)):
        columns.append(Column(f"counter_{number}", c.whole(0, rng.choice([1, 9, 70_000]))))
    return Kind(4_000_000, shuffled(rng, columns))


def shipments(rng: Random) -> Kind:
    """Parcels: many columns of few texts each, days, truth values, NULLs for what has not happened yet."""
    c = Columns(rng)
    columns = [
        Column("parcel", "'PX' || printf('%011d', i * 7919 % 99999999977)"),
        Column("carrier", c.one_of(["DHL", "UPS", "FedEx", "Österreichische Post", "La Poste, Colissimo", "PostNL"], 1.5)),
        Column("status", c.one_of(["delivered", "in transit", "held at customs", "returned to sender", "lost"], 3)),
        Column("country", c.one_of("DE FR AT NL PL IT ES SE DK CZ".split(), 2)),
        Column("city", c.null_in(rng.uniform(0, 0.1), c.one_of([f"{word.title()}{end}" for word in WORDS[:28] for end in ("stadt", "ville", " an der Donau")], 1.5))),
        Column("shipped_on", f"(DATE '2023-01-01' + {c.skewed(rng.choice([60, 700]), 1)}::INT)"),
        Column("delivered_on", c.null_in(rng.uniform(0.1, 0.5), f"(DATE '2023-02-01' + {c.skewed(700, 1)}::INT)")),
        Column("weight", c.decimal(40, 3)),
        Column("is_insured", f"({c.bits()} % 5 = 0)"),
        Column("price", c.null_in(rng.uniform(0, 0.2), c.decimal(300, 2))),
    ]
    for number in range(rng.randint(3, 9)):
        columns.append(Column(f"remark_{number}", c.null_in(rng.uniform(0.2, 0.95), c.one_of(WORDS, 2))))
    return Kind(2_500_000, shuffled(rng, columns))


def variants(rng: Random) -> Kind:
    """Variants of genomes: positions, short and long strings of letters, qualities, a text of `key=value;`."""
    c = Columns(rng)
    letters = lambda: c.one_of(["A", "C", "G", "T", "AT", "GCC", "TTAGGG" * rng.randint(1, 9)], 2)
    columns = [
        Column("chromosome", "'chr' || (1 + i * 22 // 4000000)"),
        Column("position", f"(10000 + i * {rng.randint(5, 60)} % 240000000 + {c.whole(0, 4)})"),
        Column("reference", letters()),
        Column("alternative", letters()),
        Column("quality", c.null_in(rng.uniform(0, 0.1), f"({c.unit()} * 3000)::DECIMAL(9, 2)")),
        Column("filter", c.one_of(["PASS", "LowQual", "q10;s50", "."], 2)),
        Column("info", f"'AC=' || {c.skewed(5_000, 4)} || ';AF=' || ({c.unit()})::DECIMAL(9, 5) || ';TYPE=' || {c.one_of(['snp', 'ins', 'del', 'complex'], 2)} || ';DP=' || {c.whole(1, 900)}"),
    ]
    return Kind(2_500_000, shuffled(rng, columns), is_one_file=True)


def chats(rng: Random) -> Kind:
    """Messages of chats as JSON: Unicode, escapes, lists, members that come and go."""
    c = Columns(rng)
    said = c.words([*WORDS, "\U0001f600", "\U0001f680\U0001f680", "ありがとう", "path\\to", "<b>"], 1, 18)
    line = (
        f"'{{\"room\":\"' || {c.one_of([f'room-{word}' for word in WORDS[:30]], 2)} || '\",\"sender\":' || {c.skewed(rng.choice([20_000, 300_000]), 1.6)}"
        f" || ',\"sent\":' || (1717200000 + i // {rng.randint(5, 90)}) || ',\"text\":' || to_json({said})"
        f" || CASE WHEN {c.unit()} < {rng.uniform(0.1, 0.6):.2f} THEN ',\"mentions\":[' || {c.skewed(900, 2)} || ', ' || {c.skewed(900, 2)} || ']' ELSE '' END"
        f" || CASE WHEN {c.unit()} < {rng.uniform(0.1, 0.6):.2f} THEN ',\"edited\":' || {c.one_of(['true', 'false'])} ELSE '' END"
        f" || ',\"score\":' || {c.short_number(50)} || '}}'"
    )
    return Kind(1_500_000, [Column("line", line)])


def bids(rng: Random) -> Kind:
    """Bids of an auction house: many auctions and bidders, prices, channels, times in order."""
    c = Columns(rng)
    columns = [
        Column("auction", c.skewed(rng.choice([50_000, 600_000]), rng.uniform(1, 2))),
        Column("bidder", c.skewed(rng.choice([10_000, 400_000]), rng.uniform(1, 3))),
        Column("price", c.decimal(100_000, 2)),
        Column("channel", c.one_of(["Google", "Facebook", "Baidu", "Apple", "channel-" + str(rng.randint(1, 9_999))], 1.3)),
        Column("url", f"'https://auctions.example/' || {c.one_of(WORDS)} || '/item.htm?query=' || {c.whole(1, 9_999)}"),
        Column("placed", c.time("2024-07-01 00:00:00", rng.choice([100, 10_000]), 0)),
        Column("extra", c.words(WORDS, 1, 6)),
    ]
    return Kind(4_000_000, shuffled(rng, columns), is_one_file=True)


KINDS = {
    function.__name__: function
    for function in (
        *(rides, web, sensors, notes, customers, keys, ticks, doubles, messages, services, events),
        *(flows, shipments, variants, chats, bids),
    )
}
