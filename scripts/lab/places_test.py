"""Where scripts find the clone, the binary and their environments."""

import argparse
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

from lab import places


class Places(unittest.TestCase):
    def test_the_root_is_the_clone(self) -> None:
        self.assertTrue((places.ROOT / "rust-toolchain.toml").is_file())
        self.assertTrue((places.ROOT / "scripts" / "demo").is_file())

    def test_a_binary_that_is_not_there_is_refused_with_the_remedy(self) -> None:
        parser = argparse.ArgumentParser()
        places.add_binary(parser)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            parser.parse_args(["--binary", "/nowhere/tidemill"])
        self.assertIn("/nowhere/tidemill", said.getvalue())
        self.assertIn("cargo build --release", said.getvalue())

    def test_a_binary_is_made_absolute(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            parser = argparse.ArgumentParser()
            places.add_binary(parser)
            relative = Path(file.name).resolve().relative_to("/")
            found = parser.parse_args(["--binary", str(Path("/") / relative)]).binary
            self.assertEqual(found, Path(file.name).resolve())

    def test_a_missing_environment_names_the_command_that_makes_it(self) -> None:
        with self.assertRaises(SystemExit) as ended:
            places.go_on_in("no-such-environment", "scripts/host/setup --rivals")
        self.assertIn("scripts/host/setup --rivals", str(ended.exception))

    def test_in_the_environment_itself_the_script_goes_on(self) -> None:
        cache, places.CACHE = places.CACHE, Path(sys.prefix).parent
        self.addCleanup(setattr, places, "CACHE", cache)
        places.go_on_in(Path(sys.prefix).name, "nothing")


if __name__ == "__main__":
    unittest.main()
