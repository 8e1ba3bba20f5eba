#!/usr/bin/env python3
"""Tests of plot.py: what it computes, and that its pictures are well-formed and hold every engine and point."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plot.py")


def point(recall, cpu, k=10, uses_index=True):
    return {"k": k, "filter_share": 1, "clients": 1, "recall": recall, "queries_per_second": 5e5 / cpu,
            "cpu_us_per_query": cpu, "uses_index": uses_index}


def report(rows, dim, engines):
    return {"facts": {"data": f"/data/a: {rows} rows x {dim}, 1000 queries, l2, column type vector"},
            "engines": [{"name": name, "points": points} for name, points in engines.items()]}


class PlotTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def save(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)
        return path

    def run_plot(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)

    def picture(self, *arguments):
        path = os.path.join(self.folder.name, "picture.svg")
        result = self.run_plot(*arguments, "-o", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        return xml.dom.minidom.parse(path), result.stdout

    def test_envelope_keeps_what_no_other_beats(self):
        self.assertEqual(plot.envelope([(0.9, 100), (0.95, 50), (0.93, 40)]), [(0.9, 100), (0.95, 50)])

    def test_rate_at_a_recall_lies_between_the_points_around_it(self):
        curve = [(0.9, 1000.0), (0.99, 100.0)]
        self.assertAlmostEqual(plot.rate_at(curve, 0.9), 1000)
        # Half way in -log(1 - recall): the geometric mean.
        self.assertAlmostEqual(plot.rate_at(curve, 1 - 0.001**0.5), 100000**0.5, places=6)
        self.assertEqual(plot.rate_at(curve, 0.8), 1000, "the lowest point serves any lower recall")
        self.assertIsNone(plot.rate_at(curve, 0.995), "nothing is prolonged")

    def test_cost_grows_by_the_exponent_that_it_was_made_with(self):
        paths = [self.save(f"{rows}.json", report(rows, 96, {"a": [point(0.95, rows**0.5)], "b & c": [point(0.97, 7)]}))
                 for rows in (400, 10000)]
        document, out = self.picture(*paths, "--cost", "rows")
        self.assertIn("400: 20   10000: 100 (0.50)", out)
        self.assertIn("400: 7   10000: 7 (0.00)", out)
        self.assertEqual(len(document.getElementsByTagName("polyline")), 2)
        labels = [text.firstChild.data for text in document.getElementsByTagName("text")]
        self.assertIn("b & c", labels)

    def test_cost_by_k_and_by_dimensions(self):
        one = self.save("one.json", report(1000, 32, {"a": [point(0.96, 10), point(0.96, 30, k=100)]}))
        two = self.save("two.json", report(1000, 64, {"a": [point(0.96, 20)]}))
        self.assertIn("10: 10   100: 30", self.run_plot(one, "--cost", "k").stdout)
        self.assertIn("32: 10   64: 20 (1.00)", self.run_plot(one, two, "--cost", "dim").stdout)

    def test_recall_picture_shows_every_point_of_the_envelope_and_no_other(self):
        path = self.save("r.json", report(1000, 32, {"a": [point(0.9, 10), point(0.99, 20), point(0.95, 50)],
                                                     "b": [point(0.9, 30), point(0.999, 1, uses_index=False)]}))
        document, _ = self.picture(path)
        drawn = [line.getAttribute("points").split() for line in document.getElementsByTagName("polyline")]
        self.assertEqual([len(points) for points in drawn], [2, 1])
        text = self.run_plot(path)
        self.assertEqual(text.returncode, 0)
        self.assertIn("o a, x b", text.stdout)

    def test_what_cannot_be_drawn_is_said(self):
        path = self.save("r.json", report(1000, 32, {"a": [point(0.9, 10)]}))
        for arguments, message in (((path, "--k", "7"), "no points with k = 7"),
                                   ((path, "--cost", "rows", "--recall", "0.99"), "no engine reached"),
                                   ((path, "-o", "picture.png"), "ends in .svg")):
            result = self.run_plot(*arguments)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main()
