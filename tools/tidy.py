#!/usr/bin/env python3
"""The house rules as a test: what a text search can see, so that reviews need not look for it.

    tools/tidy.py [ROOT]      checks the tree (default: the one this file lies in)
    tools/tidy.py --list      prints the rules

Each finding says what to do about it. Where a rule is wrong for one line, say why on that line or the one above it:

    // tidy: allow(rule-name): reason

Standard library only. STYLE.md states the rules in prose; tools/tidy_test.py holds a bad example for each.
"""
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import tidy_code  # noqa: E402
import tidy_tree  # noqa: E402
from tidy_base import Finding, Tree  # noqa: E402

RULES = {**tidy_code.RULES, **tidy_tree.RULES}
SKIPPED_DIRECTORIES = {".git", "build", "results", "tmp_check", "output_iso", "__pycache__", "log"}
SKIPPED_SUFFIXES = {".o", ".so", ".bc", ".a", ".swp", ".pyc"}


def tracked_files(root: Path) -> list[str]:
    """Everything git tracks or would track; the whole directory where there is no repository."""
    if (root / ".git").exists():
        command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                   "--exclude-standard"]
        try:
            output = subprocess.run(command, capture_output=True, check=True).stdout
            names = {name for name in output.decode().split("\0") if name}
            return sorted(name for name in names if (root / name).is_file())
        except (OSError, subprocess.CalledProcessError):
            pass
    found = []
    for directory, children, names in os.walk(root):
        children[:] = [child for child in children if child not in SKIPPED_DIRECTORIES]
        for name in names:
            path = Path(directory, name)
            if path.suffix not in SKIPPED_SUFFIXES:
                found.append(path.relative_to(root).as_posix())
    return sorted(found)


def check(root: Path) -> dict[str, list[Finding]]:
    """Findings per rule; every rule has an entry."""
    tree = Tree(root, tracked_files(root))
    return {name: [f for f in rule(tree) if not tree.is_allowed(name, f)] for name, rule in RULES.items()}


def main(arguments: list[str]) -> int:
    if arguments == ["--list"]:
        for name, rule in RULES.items():
            print(f"{name}: {' '.join((rule.__doc__ or '').split())}")
        return 0
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings = check(root)
    for name, rows in findings.items():
        for finding in rows:
            print(f"{finding.path}:{finding.line}: [{name}] {finding.text}")
    for name, rows in findings.items():
        print(f"not ok - {name}: {len(rows)}" if rows else f"ok - {name}")
    return 1 if any(findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
