"""What a measured process is known by: its time, its memory, its outputs, its end."""

import sys
import textwrap
import unittest

from lab.process import peak_kib, timed


def python(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


class Timed(unittest.TestCase):
    def test_both_outputs_are_read_to_their_ends(self) -> None:
        # More than a pipe holds, on standard error first.
        taken = timed(python("import sys; sys.stderr.write('e' * 300_000); print('out')"))
        self.assertEqual(taken.output, "out\n")
        self.assertEqual(len(taken.errors), 300_000)

    def test_seconds_are_those_of_the_wall(self) -> None:
        self.assertGreaterEqual(timed(python("import time; time.sleep(0.2)")).seconds, 0.2)

    def test_a_failure_ends_the_script_with_what_was_said(self) -> None:
        with self.assertRaises(SystemExit) as ended:
            timed(python("import sys; sys.exit('no such table')"))
        self.assertIn("no such table", str(ended.exception))


class Peak(unittest.TestCase):
    def test_the_peak_is_the_command_s_own(self) -> None:
        held = bytearray(200 << 20)  # This process's own memory must not count.
        less, _ = peak_kib(python("b'x' * (30 << 20)"))
        more, _ = peak_kib(python("b'x' * (80 << 20)"))
        self.assertLess(more, len(held) >> 10)
        self.assertAlmostEqual(more - less, 50 << 10, delta=5 << 10)

    def test_a_command_is_stopped_once_its_rows_are_there(self) -> None:
        rows = """
            import sys, time
            held = b"x" * (20 << 20)
            try:
                for i in range(3):
                    print(i, flush=True)
                time.sleep(60)
            except KeyboardInterrupt:
                sys.exit(1)
        """
        _, said = peak_kib(python(textwrap.dedent(rows)), until_rows=3)
        self.assertEqual(said, "")

    def test_a_failure_is_no_figure(self) -> None:
        with self.assertRaises(SystemExit):
            peak_kib(python("import sys; sys.exit(3)"))


if __name__ == "__main__":
    unittest.main()
