"""The rules of the tree. A rule is a function of the tree that yields findings."""
import re
import subprocess
from functools import cached_property
from pathlib import Path

# Headers of each library, by the name under which CMakeLists.txt gives it to a folder (USES).
LIBRARIES = {
    "boost_headers": ("boost/asio", "boost/beast", "boost/url"),
    "boost_json": ("boost/json",),
    "spdlog::spdlog": ("spdlog/",),
    "fmt::fmt": ("fmt/",),
    "simdjson::simdjson": ("simdjson",),
    "ZLIB::ZLIB": ("zlib.h",),
    "OpenSSL::Crypto": ("openssl/",),
    "OpenSSL::SSL": ("openssl/",),
    "yaml-cpp": ("yaml-cpp/",),
    "PkgConfig::cjose": ("cjose/", "jansson.h"),
    "PkgConfig::rocksdb": ("rocksdb/",),
    "PkgConfig::hiredis": ("hiredis/",),
    "RapidJSON": ("rapidjson/",),
    "prometheus-cpp::core": ("prometheus/",),
    "CLI11::CLI11": ("CLI/",),
}
# What any folder may include, headers too: vocabulary of the language and of the system, and containers that
# are but headers.
EVERYWHERE = ("boost/system/", "boost/container/small_vector.hpp", "boost/intrusive/", "boost/multi_index",
              "boost/static_string/", "boost/unordered/")
SYSTEM = re.compile(r"(sys|netinet|arpa|linux|net)/[a-z_0-9]+\.h|[a-z_0-9]+\.h|[a-z_0-9]+")
TEST_LIBRARIES = ("gtest/", "gmock/", "benchmark/")

THREADS = {"mutex", "shared_mutex", "atomic", "thread", "condition_variable", "semaphore", "latch", "barrier",
           "future", "stop_token"}
# Code that several threads run. `log` has the tail that every reactor reads.
THREADED_FOLDERS = ("base", "log", "net", "backplane", "app")

# Written so that this file does not hold what it looks for.
REGISTRY_HOST = re.compile(r"\b(?:registry|deb|security|archive|snapshot|ftp|ports|proxy|static|index|files|repo1?)"
                           r"\.(?:[a-z0-9-]+\.)?(?:npm[j]s|yarn[p]kg|deb[i]an|ubunt[u]|nodesourc[e]|golan[g]|crate[s]"
                           r"|pyp[i]|pythonhoste[d]|mave[n])\.(?:org|com|io)\b", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:wor[k]|hom[e]/[a-z]+|User[s])/[\w.-]")
TASK = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b(?!\(#\d+\))")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Tree:
    """The files of the repository, as Git knows or would add them."""

    def __init__(self, root):
        self.root = Path(root)

    @cached_property
    def files(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-coz", "--exclude-standard", "--deduplicate"],
                                capture_output=True, check=True).stdout.decode()
        return sorted(name for name in listed.split("\0") if name and (self.root / name).is_file())

    def bytes(self, name):
        return (self.root / name).read_bytes()

    def text(self, name):
        return self.bytes(name).decode("utf-8", "replace")

    def lines(self, name):
        return list(enumerate(self.text(name).split("\n"), 1))

    @cached_property
    def text_files(self):
        return [name for name in self.files if not name.startswith("fuzz/corpus/") and b"\0" not in self.bytes(name)]

    def cpp(self, *folders):
        return [name for name in self.files if name.endswith((".cpp", ".h")) and name.startswith(folders)]

    @cached_property
    def folders(self):
        """Each folder of src/ with what it may use: {name: (folders, libraries)}, from CMakeLists.txt."""
        declared = {}
        text = re.sub(r"#.*", "", self.text("CMakeLists.txt"))
        for name, words in re.findall(r"^eventbus_(?:folder|program)\((\S+)([^)]*)\)", text, re.MULTILINE):
            lists = {"DEPS": [], "USES": [], "BINARY": []}
            current = None
            for word in words.split():
                if word in lists:
                    current = lists[word]
                else:
                    current.append(word)
            reached = set()
            for target in lists["DEPS"]:
                folder = next((f for f in declared if f.replace("/", "_") == target), target)
                reached |= {folder} | declared.get(folder, (set(), ()))[0]
            declared[name] = (reached, lists["USES"])
        return declared

    def folder_of(self, name):
        """The declared folder of src/ in which a file lies, or None."""
        inner = name.removeprefix("src/")
        return next((f for f in sorted(self.folders, key=len, reverse=True) if inner.startswith(f + "/")), None)

    def includes(self, name):
        for number, line in self.lines(name):
            if match := INCLUDE.match(line):
                yield number, match[1] == "<", match[2]


def is_test(name):
    return name.endswith(("_test.cpp", "_contract.h")) or not name.startswith("src/")


def libraries_stay_in_their_folder(tree):
    for name in tree.cpp("src/"):
        folder = tree.folder_of(name)
        if folder is None:
            yield f"{name}:1: this folder is not declared; add it with eventbus_folder() to CMakeLists.txt"
            continue
        uses = tree.folders[folder][1]
        for number, is_system, header in tree.includes(name):
            if not is_system or header.startswith(EVERYWHERE):
                continue
            if header.startswith(TEST_LIBRARIES):
                if not is_test(name):
                    yield f"{name}:{number}: <{header}> is for tests; move what needs it into one"
                continue
            owners = [library for library, prefixes in LIBRARIES.items() if header.startswith(prefixes)]
            if not owners:
                if not SYSTEM.fullmatch(header):
                    yield f"{name}:{number}: <{header}> is of no library that LIBRARIES in tests/tidy/rules.py names"
                continue
            if not any(library in uses for library in owners):
                yield (f"{name}:{number}: src/{folder} does not use {owners[0]} (<{header}>); ask the folder that "
                       f"does, or add it to USES in CMakeLists.txt")
            elif name.endswith(".h"):
                yield f"{name}:{number}: <{header}> in a header goes to all who include it; include it in the .cpp"


def folders_keep_their_order(tree):
    for name in tree.cpp("src/"):
        folder = tree.folder_of(name)
        if folder is None:
            continue
        allowed = {folder} | tree.folders[folder][0]
        for number, is_system, header in tree.includes(name):
            target = tree.folder_of("src/" + header)
            if not is_system and target and target not in allowed:
                yield f'{name}:{number}: src/{folder} may not use src/{target} ("{header}")'


def includes_are_written_from_the_root(tree):
    for name in tree.cpp("src/", "tests/", "fuzz/", "bench/"):
        for number, is_system, header in tree.includes(name):
            if "../" in header:
                yield f'{name}:{number}: "{header}" climbs; write the path from src/ or tests/'
            elif not is_system and name.startswith("src/") and "/" not in header:
                yield f'{name}:{number}: "{header}" names no folder; write the path from src/'
            elif not is_system and header.startswith("support/") and not is_test(name):
                yield f'{name}:{number}: "{header}" is for tests; product code uses the real thing'


def threads_stay_in_their_folders(tree):
    for name in tree.cpp("src/"):
        if is_test(name) or name.startswith(tuple(f"src/{folder}/" for folder in THREADED_FOLDERS)):
            continue
        for number, is_system, header in tree.includes(name):
            if is_system and header in THREADS:
                yield f"{name}:{number}: <{header}> outside of {', '.join(THREADED_FOLDERS)}; post to an Executor"


def headers_begin_with_pragma_once(tree):
    for name in tree.cpp("src/", "tests/", "fuzz/", "bench/"):
        if name.endswith(".h") and not tree.text(name).startswith("#pragma once\n"):
            yield f"{name}:1: a header begins with #pragma once"


def text_is_plain(tree):
    for name in tree.text_files:
        raw = tree.bytes(name)
        if not raw:
            continue
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            yield f"{name}:{raw[:error.start].count(10) + 1}: not UTF-8"
        if name.endswith(".patch"):  # it repeats lines of others
            continue
        if not raw.endswith(b"\n"):
            yield f"{name}:{raw.count(10) + 1}: does not end in a newline"
        elif raw.endswith(b"\n\n"):
            yield f"{name}:{raw.count(10)}: ends in an empty line"
        for number, line in enumerate(raw.split(b"\n"), 1):
            if b"\t" in line and not name.endswith("Makefile"):
                yield f"{name}:{number}: a tab; indent with spaces"
            if b"\r" in line:
                yield f"{name}:{number}: a carriage return; lines end in \\n"
            if line.endswith(b" "):
                yield f"{name}:{number}: ends in a space"


def nothing_names_this_machine(tree):
    for name in tree.text_files:
        for number, line in tree.lines(name):
            if match := REGISTRY_HOST.search(line):
                yield f"{name}:{number}: names a package registry ({match[0]}); its client knows where it is"
            if match := MACHINE_PATH.search(line):
                yield f"{name}:{number}: {match[0]}… exists on one machine only; write a relative path"


def tasks_name_their_issue(tree):
    for name in tree.text_files:
        if name.endswith("package-lock.json"):
            continue
        for number, line in tree.lines(name):
            if match := TASK.search(line):
                yield f"{name}:{number}: {match[0]} without its issue; write {match[0]}(#12), or do it"


def links_lead_somewhere(tree):
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)"
                      r"|(?:src|srcset|href)=\"(?!https?:|mailto:|#)([^\"#]+)")
    for name in tree.text_files:
        if not name.endswith(".md"):
            continue
        for number, line in tree.lines(name):
            for match in link.finditer(line):
                target = match[1] or match[2]
                if not (tree.root / name).parent.joinpath(target).exists():
                    yield f"{name}:{number}: the link to {target} leads nowhere"


def pages_are_in_the_index(tree):
    if "docs/README.md" not in tree.files:
        return
    index = tree.text("docs/README.md")
    for name in tree.files:
        page = name.removeprefix("docs/")
        if name != page and page.endswith(".md") and page != "README.md" and f"]({page})" not in index:
            yield f"{name}:1: docs/README.md does not list this page"


def scripts_can_be_run(tree):
    for name in tree.text_files:
        is_script = tree.bytes(name).startswith(b"#!")
        is_executable = bool((tree.root / name).stat().st_mode & 0o100)
        if is_script != is_executable:
            yield f"{name}:1: " + ("begins with #! but is not executable; chmod +x" if is_script
                                   else "is executable but does not begin with #!; chmod -x")
        if is_script and tree.text(name).startswith("#!/usr/bin/env bash") and "set -euo pipefail" not in tree.text(name):
            yield f"{name}:1: a Bash script says set -euo pipefail, or goes on after an error"


CHECKS = [libraries_stay_in_their_folder, folders_keep_their_order, includes_are_written_from_the_root,
          threads_stay_in_their_folders, headers_begin_with_pragma_once, text_is_plain, nothing_names_this_machine,
          tasks_name_their_issue, links_lead_somewhere, pages_are_in_the_index, scripts_can_be_run]
