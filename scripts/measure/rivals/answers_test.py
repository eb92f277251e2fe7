"""What scripts/measure/compare must find wrong in an answer, and what it must not."""

import ast
import tempfile
import unittest
from pathlib import Path

from lab.scenarios import RESULTS, delimiter
from measure.rivals import answers

# Two rows of each scenario's results, as Tidemill writes them.
ROWS = {
    "s0": ["1,3691,2024-01-01 00:00:00,490.45", "2,4505,2024-01-01 00:00:00.123,332.0"],
    "s1": ["AACU,724.63,724.63", "AADM,554.5,554.123456"],
    "s2": ["AACU,50000,512.123456,1.5,999.0,25000", "AADM,50000,500.5,1.0,999.99,26000"],
    "s3a": [
        "T1,AACU,2024-01-01 00:01:00,9,512.123456,4500,4500123.25",
        "T2,AADM,2024-01-01 00:02:00,7,500.5,3600,3600000.0",
    ],
    "brc413": ["Abéché;-9.9;29.400012;69.0", '"Flores,  Petén";0.0;26.4;66.6'],
    "brc10k": ["川x;-5.0;-3.123456;10.0", "Nt;0.0;26.4;66.6"],
}
# What no field of these rows is.
WRONG = {"BIGINT": "77", "DOUBLE": "77.77", "VARCHAR": "WRONG", "TIMESTAMP": "2024-01-01 00:00:00.001"}


class Answers(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def result(self, scenario: str, name: str, rows: list[str]) -> Path:
        path = self.directory / name
        header = delimiter(scenario).join(ast.literal_eval(RESULTS[scenario]))
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    def check(self, scenario: str, rows: list[str], is_same: bool) -> None:
        """Holds rows against those above, in both ways that there are."""
        left = self.result(scenario, "left.csv", ROWS[scenario])
        right = self.result(scenario, "right.csv", rows)
        prints = [answers.fingerprint(scenario, path) for path in (left, right)]
        self.assertEqual(prints[0] == prints[1], is_same, (scenario, rows))
        found = answers.differences(scenario, left, right)
        self.assertEqual(found == [], is_same, (scenario, rows, found))
        if not is_same:
            self.assertLessEqual({name for name, _ in found}, {"left.csv", "right.csv"})

    def test_the_order_of_rows_does_not_matter(self) -> None:
        for scenario, rows in ROWS.items():
            self.check(scenario, rows[::-1], True)

    def test_parts_are_read_as_one(self) -> None:
        parts = self.directory / "parts"
        parts.mkdir()
        for index, row in enumerate(ROWS["s1"]):
            self.result("s1", f"parts/part-0000{index}-000000.csv", [row])
        whole = self.result("s1", "whole.csv", ROWS["s1"])
        self.assertEqual(answers.fingerprint("s1", parts), answers.fingerprint("s1", whole))

    def test_rows_are_counted(self) -> None:
        for scenario, (first, second) in ROWS.items():
            self.check(scenario, [first], False)
            self.check(scenario, [first, second, second], False)
            self.check(scenario, [first, second, first, first], False)
            self.check(scenario, [first, first], False)

    def test_every_field_matters(self) -> None:
        for scenario, (first, second) in ROWS.items():
            kinds = list(ast.literal_eval(RESULTS[scenario]).values())
            fields = first.split(delimiter(scenario))
            for place, kind in enumerate(kinds):
                changed = [*fields[:place], WRONG[kind], *fields[place + 1 :]]
                self.check(scenario, [delimiter(scenario).join(changed), second], False)

    def test_values_may_not_change_places(self) -> None:
        self.check("s1", ["AACU,724.63,554.123456", "AADM,554.5,724.63"], False)
        self.check("brc413", ["Abéché;-9.9;26.4;69.0", '"Flores,  Petén";0.0;29.400012;66.6'], False)

    def test_an_average_may_differ_behind_the_sixth_digit(self) -> None:
        self.check("s1", ["AACU,724.63,724.6300000000001", "AADM,554.5,554.1234560000003"], True)
        self.check("s1", ["AACU,724.63,724.63", "AADM,554.5,554.123457"], False)
        self.check("brc413", ["Abéché;-9.9;29.40001200000001;69.0", ROWS["brc413"][1]], True)
        self.check("brc413", ["Abéché;-9.9;29.400013;69.0", ROWS["brc413"][1]], False)
        self.check("s2", ["AACU,50000,512.123457,1.5,999.0,25000", ROWS["s2"][1]], False)

    def test_what_is_not_computed_may_not_differ_at_all(self) -> None:
        self.check("s1", ["AACU,724.6300000000001,724.63", ROWS["s1"][1]], False)
        self.check("s0", ["1,3691,2024-01-01 00:00:00.000001,490.45", ROWS["s0"][1]], False)

    def test_spelling_does_not_matter(self) -> None:
        spelt = ["1,3691,2024-01-01T00:00:00.000000,4.9045e2", "2,4505,2024-01-01T00:00:00.123000,332"]
        self.check("s0", spelt, True)
        self.check("s2", ['"AACU",50000,512.123456,1.50,999,25000', ROWS["s2"][1]], True)

    def test_nothing_is_neither_zero_nor_empty_text(self) -> None:
        self.check("s1", ["AACU,724.63,", ROWS["s1"][1]], False)
        empty = self.result("s1", "empty.csv", ['"",1.0,1.0'])
        missing = self.result("s1", "missing.csv", [",1.0,1.0"])
        self.assertNotEqual(answers.fingerprint("s1", empty), answers.fingerprint("s1", missing))

    def test_what_is_no_value_is_refused(self) -> None:
        for row in ("AACU,724.63,NULL", "AACU,724.63", "AACU,724.63,1.0,2.0"):
            with self.assertRaises(Exception):
                answers.fingerprint("s1", self.result("s1", "bad.csv", [row]))


if __name__ == "__main__":
    unittest.main()
