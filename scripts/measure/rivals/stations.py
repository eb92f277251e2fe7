"""Makes measurements as the One Billion Row Challenge has them: lines of `station;temperature`.

`tidemill gen measurements` gives each station to one file alone and has short names; here every station
is in every file, as in a file of the challenge that is cut in two, and names are those of the challenge:
its 413 stations with their mean temperatures (stations.csv, of Wikipedia's list of cities by average
temperature as the challenge's CreateMeasurements.java has it, under the Apache License 2.0), or any number of made-up ones of 1 to 100 bytes.
"""

import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SEED = 42
# Degrees Celsius.
DEVIATION = 10.0
MOST = 99.9
CHUNK = 1_000_000
# Of one, two and three bytes in UTF-8.
LETTERS = "abcdefghijklmnopqrstuvwxyz" * 3 + "äçéèíñóøşúüÿłžαβγδжилюя" + "ạếộḥ京海山川"


def real() -> list[tuple[str, float]]:
    """The challenge's stations, each with its mean temperature in degrees Celsius."""
    lines = Path(__file__).with_name("stations.csv").read_text(encoding="utf-8").splitlines()
    return [(name, float(mean)) for name, _, mean in (line.partition(";") for line in lines)]


def made_up(count: int) -> list[tuple[str, float]]:
    """So many different names of 1 to 100 bytes: most have four, few are long, as in the challenge."""
    import numpy as np

    random = np.random.default_rng([SEED, count])
    stations: dict[str, float] = {}
    while len(stations) < count:
        # The curve by which CreateMeasurements3.java of the challenge draws lengths.
        size = int(4 + 2500 * (random.random() - 0.372) ** 7)
        name = word(random, size)
        # A name that is taken is drawn anew, its length too: there are few names of one byte.
        stations.setdefault(name, float(random.uniform(-20, 30)))
    return list(stations.items())


def word(random, size: int) -> str:
    """Capitalized words of so many bytes in UTF-8, with neither `;`, `"` nor line breaks."""
    letters: list[str] = []
    left = size
    while left > 0:
        # Neither first nor last, and never two in a row: nobody need keep spaces at the ends of a field.
        may_part = letters and letters[-1] != " " and left > 1
        if may_part and random.random() < 0.12:
            letter = " "
        else:
            letter = LETTERS[random.integers(len(LETTERS))]
            letter = letter.upper() if not letters or letters[-1] == " " else letter
        width = len(letter.encode())
        if width <= left:
            letters.append(letter)
            left -= width
    return "".join(letters)


def make(out: Path, rows: int, keys: int | None = None, files: int = 2) -> None:
    """Writes so many records over all files; of the challenge's stations, or of so many made-up ones."""
    stations = real() if keys is None else made_up(keys)
    making = out.with_name(f"{out.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    sizes = [rows // files + (index < rows % files) for index in range(files)]
    with ProcessPoolExecutor(max_workers=files) as makers:
        paths = [making / f"measurements-{index:05}-000000.csv" for index in range(files)]
        list(makers.map(write, paths, [stations] * files, range(files), sizes))
    making.rename(out)


def write(path: Path, stations: list[tuple[str, float]], index: int, rows: int) -> None:
    """One file: any station with equal chance, and a temperature around its mean."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # Every beginning and every end of a line, to be put together by number.
    names = pa.array([f"{name};" for name, _ in stations])
    means = np.array([mean for _, mean in stations], dtype=np.float32)
    tenths = round(MOST * 10)
    ends = pa.array([f"{tenth / 10:.1f}\n" for tenth in range(-tenths, tenths + 1)])
    random = np.random.default_rng([SEED, len(stations), index])
    with path.open("wb") as file:
        for begin in range(0, rows, CHUNK):
            count = min(CHUNK, rows - begin)
            keys = random.integers(len(stations), size=count, dtype=np.int32)
            drawn = random.standard_normal(count, dtype=np.float32) * DEVIATION + means[keys]
            at = (np.rint(drawn.clip(-MOST, MOST) * 10) + tenths).astype(np.int32)
            lines = pc.binary_join_element_wise(names.take(pa.array(keys)), ends.take(pa.array(at)), "")
            # The texts of an array lie one behind the other.
            file.write(memoryview(lines.buffers()[2])[: pc.sum(pc.binary_length(lines)).as_py()])
