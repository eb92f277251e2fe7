"""The scenarios fit together: input, query, result; and what a script declares of its source."""

import ast
import unittest
from pathlib import Path

from lab.generated import declared
from lab.host import cpu_model
from lab.scenarios import COLUMNS, FORMATS, RESULTS, SCENARIOS, event_time, tidemill_query


class Scenarios(unittest.TestCase):
    def test_each_has_columns_formats_and_a_result(self) -> None:
        for name, (model, _) in SCENARIOS.items():
            self.assertIn(model, COLUMNS)
            self.assertTrue(FORMATS[name])
            self.assertTrue(ast.literal_eval(RESULTS[name]))

    def test_no_place_of_a_query_stays_open(self) -> None:
        for name in SCENARIOS:
            self.assertNotIn("{", tidemill_query(name))

    def test_event_time_is_declared_where_a_query_is_over_it(self) -> None:
        self.assertEqual(event_time("s2"), ("", ""))
        columns, clauses = event_time("s3a")
        text = declared("trades", Path("data"), "csv", columns, clauses, ", 'splits' = '1'")
        self.assertEqual(
            text,
            "CREATE SOURCE source_files (trade_id BIGINT, trade_time TIMESTAMP, trader_id VARCHAR, symbol VARCHAR,"
            " price DOUBLE, quantity BIGINT, WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND)"
            " PARTITIONED BY (symbol) WITH ('connector' = 'file', 'path' = 'data', 'format' = 'csv',"
            " 'splits' = '1');",
        )

    def test_a_host_that_does_not_name_its_cpu_is_no_failure(self) -> None:
        self.assertEqual(cpu_model("processor : 0\nmodel name\t: Some CPU @ 2GHz\n"), "Some CPU @ 2GHz")
        self.assertEqual(cpu_model("processor : 0\n"), "?")


if __name__ == "__main__":
    unittest.main()
