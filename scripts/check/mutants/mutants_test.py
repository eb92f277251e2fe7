"""The walkers find the numbers of real files, and every change of one leads to another file."""

import pathlib
import random
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import flatbuffer  # noqa: E402
import mutate  # noqa: E402
import seeds  # noqa: E402
import thrift  # noqa: E402


class Mutants(unittest.TestCase):
    def test_the_spans_of_a_footer_written_again_are_the_footer(self):
        for seed in seeds.parquet():
            length = struct.unpack_from("<I", seed.data, len(seed.data) - 8)[0]
            footer = seed.data[-8 - length : -8]
            spans: list[thrift.Span] = []
            self.assertEqual(thrift.structure(footer, 0, spans), length)
            for span in spans:
                if span.kind in ("varint", "length"):
                    number, _ = thrift.unsigned(footer, span.start)
                    self.assertEqual(thrift.varint(number), footer[span.start : span.end])

    def test_a_varint_keeps_its_length_where_that_is_asked(self):
        self.assertEqual(thrift.varint(1, 3), b"\x81\x80\x00")
        self.assertEqual(thrift.unsigned(b"\x81\x80\x00", 0), (1, 3))
        self.assertEqual(len(thrift.varint(2**63, 2)), 2)

    def test_the_row_count_is_among_the_numbers_of_a_message(self):
        plain = next(seed.data for seed in seeds.arrow() if seed.name == "plain-stream")
        batches = []
        for start, root, body, _ in mutate.parts(plain):
            metadata = plain[start:body]
            found = flatbuffer.numbers(metadata, root)
            values = [int.from_bytes(metadata[n.start : n.start + n.width], "little") for n in found if n.width == 8]
            batches.append(25 in values or 10 in values)
        # The schema, the dictionary of four words, and batches of 25, 25 and 10 rows.
        self.assertEqual(batches, [False, False, True, True, True])

    def test_a_seed_and_a_number_make_one_mutant_and_most_differ_from_the_whole_file(self):
        for make, change in ((seeds.parquet, mutate.parquet), (seeds.arrow, mutate.arrow)):
            whole = make()[0].data
            mutants = [change(whole, random.Random(number)) for number in range(200)]
            again = [change(whole, random.Random(number)) for number in range(200)]
            self.assertEqual(mutants, again)
            self.assertGreater(len(set(mutants) - {whole}), 150)


if __name__ == "__main__":
    unittest.main()
