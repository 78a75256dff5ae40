#!/usr/bin/env python3
"""Breaks a small tree in every way that tidy forbids, and looks whether tidy says so."""
import subprocess
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path

import rules
import tables

SOUND = {
    "CMakeLists.txt": "eventbus_folder(base USES fmt::fmt)\n"
                      "eventbus_folder(event DEPS base)\n"
                      "eventbus_folder(net DEPS base USES boost_headers)\n"
                      "eventbus_folder(backplane/embedded DEPS event USES PkgConfig::rocksdb)\n"
                      "eventbus_program(app BINARY eventbus DEPS net backplane_embedded)\n",
    "src/base/error.h": '#pragma once\n#define BUS_ERRORS(X) \\\n    X(kBad, "bad", 400, kNever, "It is bad.")\n',
    "src/base/a.cpp": '#include "base/error.h"\n#include <sys/socket.h>\n#include <fmt/core.h>\n#include <mutex>\n',
    "src/event/a.h": '#pragma once\n#include <string>\n#include <boost/system/result.hpp>\n#include "base/error.h"\n',
    "src/event/a_test.cpp": '#include <gtest/gtest.h>\n#include <thread>\n#include "event/a.h"\n#include "support/x.h"\n',
    "src/backplane/embedded/a.cpp": '#include <rocksdb/db.h>\n#include "event/a.h"\n#include "base/error.h"\n',
    "docs/errors.md": "<!-- begin errors -->\n| code | HTTP | come back? | meaning |\n| --- | --- | --- | --- |\n"
                      "| `bad` | 400 | no | It is bad. |\n<!-- end errors -->\n",
    "docs/README.md": "[errors.md](errors.md)\n",
    "README.md": "[errors](docs/errors.md#here), [elsewhere](https://example.com/x), [below](#below)\n",
}

# What is written over which file, and a piece of what tidy must say. The odd spellings keep this file itself sound.
BROKEN = [
    ("a library out of its folder", "src/event/b.cpp", "#include <rocksdb/db.h>\n", "src/event does not use PkgConfig"),
    ("a library in a header", "src/backplane/embedded/b.h", "#pragma once\n#include <rocksdb/db.h>\n", "in a header"),
    ("a library that nobody named", "src/event/b.cpp", "#include <folly/x.h>\n", "is of no library"),
    ("GoogleTest in product code", "src/event/b.cpp", "#include <gtest/gtest.h>\n", "is for tests"),
    ("a folder that is not declared", "src/extra/b.cpp", "int x;\n", "is not declared"),
    ("a folder below", "src/base/b.cpp", '#include "event/a.h"\n', "src/base may not use src/event"),
    ("a folder beside", "src/net/b.cpp", '#include "event/a.h"\n', "src/net may not use src/event"),
    ("a nested folder from above", "src/net/b.cpp", '#include "backplane/embedded/a.h"\n', "may not use src/backplane"),
    ("a climbing include", "src/event/b.cpp", '#include "../base/error.h"\n', "climbs"),
    ("an include without folder", "src/event/b.cpp", '#include "a.h"\n', "names no folder"),
    ("a fake in product code", "src/event/b.cpp", '#include "support/fake_clock.h"\n', "is for tests"),
    ("a lock", "src/event/b.cpp", "#include <mutex>\n", "<mutex> outside of"),
    ("an atomic", "src/event/b.h", "#pragma once\n#include <atomic>\n", "<atomic> outside of"),
    ("a header without pragma", "src/event/b.h", "int x;\n", "#pragma once"),
    ("no newline at the end", "docs/a.md", "text", "does not end in a newline"),
    ("an empty line at the end", "docs/a.md", "text\n\n", "ends in an empty line"),
    ("a tab", "docs/a.md", "a\tb\n", "a tab"),
    ("a carriage return", "docs/a.md", "a\r\n", "carriage return"),
    ("a space at the end", "docs/a.md", "a \n", "ends in a space"),
    ("bytes that are no text", "docs/a.md", b"\xff\n", "not UTF-8"),
    ("a registry", "docs/a.md", "from registry.npm" + "js.org\n", "names a package registry"),
    ("a mirror", "docs/a.md", "deb http://deb.deb" + "ian.org/debian\n", "names a package registry"),
    ("a path of one machine", "docs/a.md", "cd /wor" + "k/main\n", "one machine only"),
    ("a home folder", "docs/a.md", "see '/hom" + "e/anna/x'\n", "one machine only"),
    ("a task without issue", "src/event/b.cpp", "// TOD" + "O: later\n", "without its issue"),
    ("a link to nowhere", "docs/a.md", "[x](nowhere.md)\n", "leads nowhere"),
    ("a picture that is missing", "README.md", '<img src="docs/no.svg">\n', "leads nowhere"),
    ("a page that no index lists", "docs/a.md", "A page.\n", "does not list this page"),
    ("a script that can not be run", "tool", "#!/bin/sh\n", "is not executable"),
    ("a table that is behind", "docs/errors.md", SOUND["docs/errors.md"].replace("400", "500"), "is not what"),
    ("a page without its table", "docs/errors.md", "nothing\n", "has no place for"),
    ("a code more", "src/base/error.h", SOUND["src/base/error.h"].replace("is bad.\")", "is bad.\") \\\n    "
     'X(kWorse, "worse", 500, kLater, "It is worse.")'), "is not what"),
]

FINE = [
    ("a task with its issue", "src/event/b.cpp", "// TOD" + "O(#12): later\n"),
    ("a path inside of a container", "deploy/a.md", "COPY x /usr/bin/eventbus\n"),
    ("a relative path that only looks like one", "deploy/a.md", "see tests/wor" + "k/a and a/hom" + "e/b\n"),
    ("a thread in net", "src/net/b.cpp", "#include <thread>\n"),
]


@contextmanager
def tree_with(changes):
    """The sound tree with some files written over."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        for name, content in {**SOUND, **changes}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield rules.Tree(folder)


def findings(changes):
    with tree_with(changes) as tree:
        return {check.__name__: list(check(tree)) for check in rules.CHECKS + tables.CHECKS}


def said(found):
    return [line for lines in found.values() for line in lines]


class TidyTest(unittest.TestCase):
    def test_a_sound_tree_has_no_findings(self):
        self.assertEqual(said(findings({})), [])

    def test_what_only_looks_wrong_is_left_alone(self):
        for what, name, content in FINE:
            with self.subTest(what):
                self.assertEqual(said(findings({name: content})), [])

    def test_each_fault_is_found_and_every_rule_finds_one(self):
        silent = {check.__name__ for check in rules.CHECKS + tables.CHECKS}
        for what, name, content, expected in BROKEN:
            with self.subTest(what):
                found = findings({name: content})
                silent -= {rule for rule, lines in found.items() if lines}
                self.assertTrue(any(expected in line for line in said(found)), f"'{expected}' is not in {said(found)}")
        self.assertEqual(silent, set())

    def test_write_mends_a_table(self):
        with tree_with({"docs/errors.md": "# E\n<!-- begin errors -->\n\n<!-- end errors -->\n"}) as tree:
            tables.write(tree)
            self.assertEqual(list(tables.docs_repeat_the_code(tree)), [])


if __name__ == "__main__":
    unittest.main()
