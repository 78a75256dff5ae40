#!/usr/bin/env python3
"""Tests the tree itself: what a compiler does not see and a reviewer forgets.

usage: tidy.py [--root FOLDER] [--write]

--write brings the tables in docs/ up to date with the code that they repeat, instead of only comparing.
Prints FILE:LINE: what, and the fix; exits 1 if there was anything to print.
"""
import argparse
import sys
from pathlib import Path

import rules
import tables


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    tree = rules.Tree(arguments.root)
    if arguments.write:
        tables.write(tree)
    findings = [finding for check in rules.CHECKS + tables.CHECKS for finding in check(tree)]
    for finding in sorted(set(findings)):
        print(finding)
    print(f"tidy: {len(tree.files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
