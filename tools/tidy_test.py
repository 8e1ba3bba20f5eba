#!/usr/bin/env python3
"""Tests of tidy: for every rule trees that break it, and trees close by that do not."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import tidy  # noqa: E402
from tidy_base import blank_comments_and_strings, functions  # noqa: E402

CORE_END = '#include "core/base/core_only.hpp"\n'
PG_START = '#include "pg/postgres.hpp"\n'
HPP = "#pragma once\n"
TAIL = {"src/core/base/core_only.hpp": "// guard\n", "src/pg/postgres.hpp": HPP}

# rule -> trees that break it, each with exactly one finding unless said otherwise.
BAD = {
    "include-direction": [
        {"src/core/base/a.hpp": HPP + '#include "core/math/b.hpp"\n', "src/core/math/b.hpp": HPP},
        {"src/core/policy/a.hpp": HPP + '#include "core/segment/b.hpp"\n', "src/core/segment/b.hpp": HPP},
        {"src/core/policy/a.hpp": HPP + '#include "core/format/b.hpp"\n', "src/core/format/b.hpp": HPP},
        {"src/store/a.hpp": HPP + '#include "pg/b.hpp"\n', "src/pg/b.hpp": HPP},
        {"src/core/base/a.hpp": HPP + '#include "store/b.hpp"\n', "src/store/b.hpp": HPP},
        {"src/pg/type/a.hpp": HPP + '#include "store/b.hpp"\n', "src/store/b.hpp": HPP},
        {"src/store/a.hpp": HPP + '#include "test/sim/pager.hpp"\n', "test/sim/pager.hpp": HPP},
        {"src/store/a.hpp": HPP + '#include "b.hpp"\n', "src/store/b.hpp": HPP},
        {"src/store/a.hpp": HPP + '#include "store/gone.hpp"\n'},
        {"src/core/attic/a.hpp": HPP},
    ],
    "library-headers": [
        {"src/core/quant/a.hpp": HPP + "#include <faiss/Clustering.h>\n"},
        {"src/pg/am/a.hpp": HPP + '#include "postgres.h"\n'},
        {"src/store/a.hpp": HPP + "#include <postgresql/15/server/postgres.h>\n"},
    ],
    "first-include": [
        {"src/pg/a.cpp": "#include <new>\n" + PG_START},
        {"src/pg/am/a.cpp": "int x;\n"},
    ],
    "core-only-last": [
        {"src/core/math/a.cpp": CORE_END + "#include <cmath>\n"},
        {"src/core/math/a.cpp": "int x;\n"},
    ],
    "version-number": [{"src/pg/a.hpp": HPP + "#if PG_VERSION_NUM >= 160000\n#endif\n"}],
    "banned-names": [
        {"src/store/a.hpp": HPP + "inline void f() { std::vector<int> v; }\n"},
        {"src/pg/a.hpp": HPP + "inline void f() { std::string s; }\n"},
        {"src/pg/a.hpp": HPP + "inline void f() { throw 1; }\n"},
        {"src/pg/a.hpp": HPP + "inline int* f() { return new int; }\n"},
        {"src/store/a.hpp": HPP + "inline int* f() { return new (std::nothrow) int; }\n"},
        {"src/pg/a.hpp": HPP + "inline void f() { try { g(); } catch (...) { } }\n"},
        {"src/pg/a.hpp": HPP + "inline void f() { PG_TRY(); }\n"},
        {"src/pg/am/a.hpp": HPP + "inline void f() { LockBuffer(b, 1); }\n"},
        {"src/core/math/a.hpp": HPP + 'inline void f() { std::printf("x"); }\n'},
        {"src/core/math/a.hpp": HPP + "inline void f() { exit(1); }\n"},
        {"src/core/math/a.hpp": HPP + "inline void f() { std::thread t; }\n"},
        {"src/core/math/a.hpp": HPP + "inline auto f() { return std::chrono::steady_clock::now(); }\n"},
        {"src/store/a.hpp": HPP + "inline auto f() { return time(nullptr); }\n"},
        {"src/core/math/a.hpp": HPP + "inline int f() { return rand(); }\n"},
        {"src/core/math/a.hpp": HPP + "#include <iostream>\n"},
    ],
    "disk-structs": [
        {"src/core/format/a.hpp": HPP + "struct ADisk { int x; };\nstatic_assert(offsetof(ADisk, x) == 0);\n"},
        {"src/core/format/a.hpp": HPP + "struct ADisk { int x; };\nstatic_assert(sizeof(ADisk) == 4);\n"},
    ],
    "pragma-once": [{"src/core/base/a.hpp": "int x;\n"}],
    "function-length": [
        {"src/core/base/a.hpp": HPP + "inline void f() {\n" + "  g();\n" * 80 + "}\n"},
        {"src/core/base/a.hpp": HPP + "struct S {\n  int f() const noexcept {\n" + "  g();\n" * 80 + "}\n};\n"},
        {"src/pg/a.hpp": HPP + "STRATA_FUNCTION(x) {\n" + "  if (a) { b(); }\n" * 80 + "}\n"},
    ],
    "file-length": [
        {"src/core/base/a.hpp": HPP + "int x;\n" * 500},
        {"tools/a.py": "x = 1\n" * 501},
        {"src/core/base/a.hpp": "// tidy: allow(file-length): a table\n" + HPP + "int x;\n" * 800},
    ],
    "line-length": [
        {"src/core/base/a.hpp": HPP + "//" + "x" * 119 + "\n"},
        {"scripts/run": "#" * 121 + "\n"},
    ],
    "regress-pairs": [
        {"sql/a.sql": "SELECT 1;\n"},
        {"expected/a.out": "SELECT 1;\n"},
    ],
    "isolation-pairs": [
        {"test/isolation/specs/a.spec": "session s\n"},
        {"test/isolation/expected/a_1.out": "Parsed\n"},
    ],
    "tap-names": [
        {"test/tap/t/crash.pl": "done_testing();\n"},
        {"test/tap/t/001_a.pl": "done_testing();\n", "test/tap/t/001_b.pl": "done_testing();\n"},
        {"test/tap/t/001_a.pl": "ok(1);\n"},
    ],
    "leftovers": [
        {"src/core/base/a.hpp": HPP + "// TO" "DO: more\n"},
        {"docs/a.md": "# A\nFIX" "ME\n"},
        {"scripts/run": "cd /ho" "me/somebody\n"},
        {"Makefile": "CFLAGS = -march=" "native\n"},
    ],
    "white-space": [
        {"sql/a.sql": "SELECT 1; \n", "expected/a.out": ""},
        {"README.md": "# A\r\n"},
        {"README.md": "# A"},
    ],
    "file-names": [
        {"src/core/base/BadName.hpp": HPP},
        {"test/unit/Base/a.cpp": "int x;\n"},
    ],
    "file-size": [{"test/data.bin": "x" * (512 * 1024 + 1)}],
    "one-title": [
        {"docs/a.md": "no title\n"},
        {"docs/a.md": "# One\n# Two\n"},
    ],
    "names-exist": [
        {"ARCHITECTURE.md": "# A\nsee `src/core/gone.hpp`\n", "src/core/base/a.hpp": HPP},
        {"README.md": "# A\nsee `gone.cpp`\n"},
        {"README.md": "# A\nsee [it](docs/gone.md)\n"},
        {"docs/a.md": "# A\nsee `src/{pg,gone}`\n", "src/pg/a.hpp": HPP},
    ],
    "room-readmes": [{"src/store/a.hpp": HPP}],
}

GOOD = {
    "include-direction": [
        {"src/core/math/a.hpp": HPP + '#include <cmath>\n#include "core/base/b.hpp"\n', "src/core/base/b.hpp": HPP},
        {"src/pg/am/a.hpp": HPP + '#include "store/b.hpp"\n', "src/store/b.hpp": HPP},
        {"test/unit/a.cpp": '#include "sim/pager.hpp"\n'},
    ],
    "library-headers": [{"src/core/cluster/a.cpp": "#include <faiss/Clustering.h>\n" + CORE_END}],
    "version-number": [
        {"src/pg/compat.hpp": HPP + "#if PG_VERSION_NUM >= 160000\n#endif\n"},
        {"src/pg/a.hpp": HPP + "// PG_VERSION_NUM is elsewhere\n"},
    ],
    "banned-names": [
        {"src/core/base/a.hpp": HPP + "inline void f() { std::vector<int> v; throw std::bad_alloc(); }\n"},
        {"src/store/a.hpp": HPP + "#include <new>\ninline void f(void* p) { new (p) int; }  // a new one\n"},
        {"src/pg/entry.hpp": HPP + "inline void f() { try { g(); } catch (...) { } }\n"},
        {"src/pg/a.hpp": HPP + "inline void f(std::string_view s, char const* text = \"throw\");\n"},
        {"src/pg/a.hpp": HPP + "// tidy: allow(banned-names): the worker has no resource owner\n  PG_TRY();\n"},
        {"src/pg/page/a.hpp": HPP + "inline void f() { LockBuffer(b, 1); }\n"},
        {"src/core/text/a.hpp": HPP + 'inline void f(char* s) { std::snprintf(s, 9, "%d", 1); x.time(1); }\n'},
    ],
    "disk-structs": [
        {"src/core/format/a.hpp": HPP + "struct ADisk {\n  int x;\n};\nstatic_assert(sizeof(ADisk) == 4 && "
         "offsetof(ADisk, x) == 0);\n"},
        {"src/core/format/a.hpp": HPP + "struct BDisk { int x; };\nstatic_assert(sizeof(BDisk) == 4);\n"
         "static_assert(std::has_unique_object_representations_v<BDisk>);\nstruct LaterDisk;\n"},
    ],
    "function-length": [
        {"src/core/base/a.hpp": HPP + "inline void f() {\n" + "  g();\n" * 78 + "}\n"},
        {"src/core/base/a.hpp": HPP + "namespace a {\n" + "int f();\n" * 90 + "}\n"},
        {"src/core/base/a.hpp": HPP + "constexpr int table[] = {\n" + "  1,\n" * 90 + "};\n"},
        {"test/unit/a.cpp": "void f() {\n" + "  g();\n" * 90 + "}\n"},
    ],
    "file-length": [{"src/core/base/a.hpp": "// tidy: allow(file-length): a table\n" + HPP + "int x;\n" * 700}],
    "regress-pairs": [
        {"sql/a.sql": "", "expected/a.out": "", "expected/a_1.out": ""},
        {"sql/x--0.1--0.2.sql": ""},
        {"sql/parts/01_schema.sql": ""},
    ],
    "leftovers": [{"README.md": "# A\nnever -march=" "native; under /tmp/x and $HOME/ho" "me/x\n"}],
    "one-title": [{"docs/a.md": "# One\n```\n# comment\n```\n"}],
    "names-exist": [
        {"src/store/README.md": "# A\n`insert.hpp` `src/core/base` `core/base/a.hpp` `../../Makefile` `build/x`\n",
         "src/store/insert.hpp": HPP, "src/core/base/a.hpp": HPP, "Makefile": "all:\n"},
        {"README.md": "# A\n`src/*/a.hpp` `src/{pg,store}` [x](https://example.org/a)\n", "src/store/a.hpp": HPP,
         "src/pg/a.hpp": HPP},
    ],
}


def findings(files: dict[str, str], rule: str):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in {**TAIL, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        rows = tidy.check(root)[rule]
        return [row for row in rows if row.path not in ("src/pg", "src/core")]


class Rules(unittest.TestCase):
    def test_every_rule_has_a_bad_example(self):
        self.assertEqual(set(BAD), set(tidy.RULES))

    def test_every_rule_says_what_it_wants(self):
        for name, rule in tidy.RULES.items():
            self.assertTrue((rule.__doc__ or "").strip(), name)


class Parsing(unittest.TestCase):
    def test_comments_and_strings_are_blanked(self):
        text = 'a // new\nb /* throw\n try */ c "new" \'"\' d R"x(new)")x" e 1\'000 f'
        blank = blank_comments_and_strings(text)
        self.assertEqual(blank.split(), ["a", "b", "c", "d", "e", "1'000", "f"])
        self.assertEqual(blank.count("\n"), text.count("\n"))

    def test_functions_are_found(self):
        code = """
namespace a {
struct S : T<int> {
  S() : x{1} {
    x = 2;
    x = 3;
  }
  int x = 1;
};
template <typename T>
  requires(C<T>)
auto f(T x) -> int {
  auto g = [&] { return 1; };
  return g();
}
int const t[] = {1, 2};
enum class E : int { a, b };
}
extern "C" {
void h(void) {
}
}
"""
        rows = functions(blank_comments_and_strings(code))
        self.assertEqual([head.split("(")[0].split()[-1] for head, _, _ in rows], ["S", "S", "requires", "h"])
        self.assertEqual([(first, last) for _, first, last in rows], [(4, 4), (4, 7), (12, 15), (20, 21)])


def add_cases():
    for kind, table in (("bad", BAD), ("good", GOOD)):
        for rule, trees in table.items():
            for number, files in enumerate(trees, 1):
                def case(self, rule=rule, files=files, kind=kind):
                    rows = findings(files, rule)
                    if kind == "good":
                        self.assertEqual(rows, [])
                        return
                    self.assertGreaterEqual(len(rows), 1, f"{rule} does not see {files}")
                    for row in rows:
                        self.assertGreaterEqual(len(row.text), 25, "a finding says what to do")
                setattr(Rules, f"test_{kind}_{rule.replace('-', '_')}_{number}", case)


add_cases()

if __name__ == "__main__":
    unittest.main()
