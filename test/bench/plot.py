#!/usr/bin/env python3
"""Draws results.json files of the benchmark as SVG (or, without -o, as characters).

Recall against queries/s, one curve an engine:
    plot.py RESULTS -o docs/recall.svg [--k 10] [--clients 1] [--filter 1.0] [--cpu]
Cost at equal recall against rows, dimensions or k, one curve an engine, from one or more runs:
    plot.py RESULTS ... --cost rows|dim|k -o docs/cost.svg [--recall 0.95]
The cost is the processor time of a query, interpolated at the recall as the benchmark's own ratios are; it is printed
as a table, too, with the exponent by which it grows from each point to the next.
"""
import argparse
import json
import math
import re
import sys
from xml.sax.saxutils import escape

MARKS = "ox+*#@%&"
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b5ea7", "#b8860b", "#4d4d4d", "#c2407f", "#008080")
RECALL_TICKS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 78, 170, 44, 56


def envelope(points):
    """The points that no other beats in both recall and rate, by rising recall."""
    best, kept = 0.0, []
    for recall, rate in sorted(points, reverse=True):
        if rate > best:
            best = rate
            kept.append((recall, rate))
    return kept[::-1]


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def shape_of(report, path):
    """(rows, dimensions) of the data of a run."""
    found = re.search(r": (\d+) rows x (\d+)", report["facts"].get("data", ""))
    if not found:
        raise SystemExit(f"plot.py: {path} does not tell how many rows and dimensions it measured")
    return int(found.group(1)), int(found.group(2))


def rate_of(point, by_cpu):
    if not by_cpu:
        return point["queries_per_second"]
    return 1e6 / point["cpu_us_per_query"] if point["cpu_us_per_query"] else None


def load_curves(paths, question, by_cpu):
    """{label: [(recall, rate)]} of one question: (k, share that passes the filter, clients)."""
    curves = {}
    for path in paths:
        for engine in load(path)["engines"]:
            label = engine["name"] if len(paths) == 1 else f'{engine["name"]} ({path})'
            for point in engine["points"]:
                if (point["k"], point["filter_share"], point["clients"]) != question or not point["uses_index"]:
                    continue
                rate = rate_of(point, by_cpu)
                if rate:
                    curves.setdefault(label, []).append((point["recall"], rate))
    return {label: envelope(points) for label, points in curves.items()}


def first_combination(path):
    for engine in load(path)["engines"]:
        for point in engine["points"]:
            return int(point["k"]), int(point["clients"])
    raise SystemExit(f"plot.py: {path} holds no measured points")


def recall_position(recall):
    """Recall is drawn over -log(1 - recall), where its costly end has room."""
    return -math.log10(1.0 - min(recall, 0.9999))


def rate_at(curve, recall):
    """The rate at a recall, between the points of an envelope that enclose it; None when none reaches it."""
    if not curve or curve[-1][0] < recall:
        return None
    if curve[0][0] >= recall:
        return curve[0][1]
    for (low, fast), (high, slow) in zip(curve, curve[1:]):
        if low <= recall <= high:
            left, right = recall_position(low), recall_position(high)
            share = (recall_position(recall) - left) / (right - left) if right > left else 1.0
            return math.exp(math.log(fast) + share * (math.log(slow) - math.log(fast)))
    return None


def load_costs(paths, axis, recall, arguments):
    """{engine: [(rows, dimensions or k, us of processor time)]}, ascending."""
    costs = {}
    for path in paths:
        report = load(path)
        rows, dim = shape_of(report, path)
        asked = sorted({(point["k"], point["clients"]) for engine in report["engines"] for point in engine["points"]})
        clients = arguments.clients or (asked[0][1] if asked else 1)
        k_wanted = arguments.k or (asked[0][0] if asked else 10)
        for k in [k for k, count in asked if count == clients and (axis == "k" or k == k_wanted)]:
            for label, curve in load_curves([path], (k, arguments.filter, clients), True).items():
                rate = rate_at(curve, recall)
                if rate:
                    value = {"rows": rows, "dim": dim, "k": k}[axis]
                    costs.setdefault(label, []).append((value, 1e6 / rate))
    return {label: sorted(points) for label, points in costs.items()}


def cost_table(costs, axis, recall):
    lines = [f"us of processor time a query at recall {recall:g}, by {axis} (in brackets the exponent of its growth)"]
    for label, points in costs.items():
        parts = []
        for place, (value, cost) in enumerate(points):
            text = f"{value:g}: {cost:.0f}"
            if place and value > points[place - 1][0]:
                before, spent = points[place - 1]
                text += f" ({math.log(cost / spent) / math.log(value / before):.2f})"
            parts.append(text)
        lines.append(f"{label:20} " + "   ".join(parts))
    return "\n".join(lines)


def log_ticks(low, high):
    """Values 1, 2 and 5 times a power of ten within the range."""
    ticks = []
    for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        ticks += [digit * 10.0**power for digit in (1, 2, 5) if low * 0.999 <= digit * 10.0**power <= high * 1.001]
    return ticks


def tick_text(value):
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


class Scale:
    """From a range of values to a range of pixels."""

    def __init__(self, values, start, end, position):
        places = [position(value) for value in values]
        self.low, self.high = min(places), max(places)
        margin = 0.04 * (self.high - self.low) or 0.2
        self.low, self.high = self.low - margin, self.high + margin
        self.start, self.end, self.position = start, end, position

    def __call__(self, value):
        share = (self.position(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def shows(self, value):
        return self.low <= self.position(value) <= self.high


def draw_svg(curves, title, x_axis, y_axis, across, x_ticks):
    """A picture of curves {label: [(x, y)]}, y logarithmic. `across` places x, `x_ticks` are its marks."""
    points = [point for curve in curves.values() for point in curve]
    x_scale = Scale([x for x, _ in points], LEFT, WIDTH - RIGHT, across)
    y_scale = Scale([y for _, y in points], HEIGHT - BOTTOM, TOP, math.log10)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="13">{escape(title)}</text>']

    def text(x, y, what, anchor, more=""):
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(what)}</text>')

    def line(x1, y1, x2, y2):
        out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>')

    for tick in [tick for tick in x_ticks if x_scale.shows(tick)]:
        line(x_scale(tick), TOP, x_scale(tick), HEIGHT - BOTTOM)
        text(x_scale(tick), HEIGHT - BOTTOM + 18, tick_text(tick), "middle")
    for tick in log_ticks(10**y_scale.low, 10**y_scale.high):
        line(LEFT, y_scale(tick), WIDTH - RIGHT, y_scale(tick))
        text(LEFT - 8, y_scale(tick) + 4, tick_text(tick), "end")
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_axis, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    text(18, middle, y_axis, "middle", f' transform="rotate(-90 18 {middle:.1f})"')
    for index, (label, curve) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in curve)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x_scale(x):.1f}" cy="{y_scale(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in curve]
        row = TOP + 10 + 20 * index
        out.append(f'<circle cx="{WIDTH - RIGHT + 18}" cy="{row}" r="4" fill="{colour}"/>')
        text(WIDTH - RIGHT + 28, row + 4, label, "start")
    return "\n".join(out + ["</svg>", ""])


def draw_text(curves, title, axis, width=96, height=28):
    everything = [point for points in curves.values() for point in points]
    rates = [math.log10(rate) for _, rate in everything]
    low, high = min(rates), max(max(rates), min(rates) + 0.1)
    left = min(recall_position(recall) for recall, _ in everything)
    right = max(recall_position(recall) for recall, _ in everything)
    right = max(right, left + 0.1)
    grid = [[" "] * width for _ in range(height)]
    for index, points in enumerate(curves.values()):
        for recall, rate in points:
            column = round((recall_position(recall) - left) / (right - left) * (width - 1))
            row = round((high - math.log10(rate)) / (high - low) * (height - 1))
            grid[row][column] = MARKS[index % len(MARKS)]
    print(title)
    for row, line in enumerate(grid):
        value = 10 ** (high - row / (height - 1) * (high - low))
        label = f"{value:10.0f}" if row % 4 == 0 else " " * 10
        print(f"{label} |{''.join(line).rstrip()}")
    print(" " * 11 + "+" + "-" * width)
    scale = [" "] * (width + 12)
    for recall in RECALL_TICKS:
        place = (recall_position(recall) - left) / (right - left)
        if 0 <= place <= 1:
            start = 10 + round(place * (width - 1))
            scale[start : start + len(str(recall))] = str(recall)
    print("".join(scale).rstrip())
    print(f"{axis} against recall; " + ", ".join(f"{MARKS[i % len(MARKS)]} {name}" for i, name in enumerate(curves)))


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def plot_cost(arguments):
    costs = load_costs(arguments.results, arguments.cost, arguments.recall, arguments)
    if not costs:
        raise SystemExit(f"plot.py: no engine reached a recall of {arguments.recall:g} in these runs")
    print(cost_table(costs, arguments.cost, arguments.recall))
    if not arguments.output:
        return
    values = [value for points in costs.values() for value, _ in points]
    title = f"recall {arguments.recall:g}" + ("" if arguments.cost == "k" else f", k = {arguments.k or 'first'}")
    title = f"Cost of a query against {arguments.cost}; {title}"
    name = {"rows": "rows", "dim": "dimensions", "k": "k"}[arguments.cost]
    ticks = sorted(set(values)) if len(set(values)) < 8 else log_ticks(min(values), max(values))
    write(arguments.output, draw_svg(costs, title, name, "us of processor time a query", math.log10, ticks))


def plot_recall(arguments):
    k, clients = first_combination(arguments.results[0])
    k, clients = arguments.k or k, arguments.clients or clients
    curves = load_curves(arguments.results, (k, arguments.filter, clients), arguments.cpu)
    if not curves:
        raise SystemExit(f"plot.py: no points with k = {k}, filter {arguments.filter} and {clients} clients")
    axis = "queries per second of processor time" if arguments.cpu else "queries/s"
    rows, dim = shape_of(load(arguments.results[0]), arguments.results[0])
    title = f"{rows} rows x {dim}; k = {k}, {clients} client{'s' if clients > 1 else ''}"
    if arguments.filter != 1.0:
        title += f", filter passes {arguments.filter:.3g}"
    if arguments.output:
        write(arguments.output, draw_svg(curves, title, "recall", axis, recall_position, RECALL_TICKS))
    else:
        draw_text(curves, title, axis)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", help="results.json of one or more runs")
    parser.add_argument("-o", "--output", help="SVG file to write")
    parser.add_argument("--cost", choices=("rows", "dim", "k"), help="draw the cost against that instead")
    parser.add_argument("--recall", type=float, default=0.95, help="of --cost: where costs are compared (0.95)")
    parser.add_argument("--k", type=int, help="rows per search (the first in the file)")
    parser.add_argument("--filter", type=float, default=1.0, help="share that passes the filter (1: no filter)")
    parser.add_argument("--clients", type=int, help="number of clients (the first in the file)")
    parser.add_argument("--cpu", action="store_true", help="queries per second of processor time instead of wall time")
    arguments = parser.parse_args()
    if arguments.output and not arguments.output.endswith(".svg"):
        raise SystemExit("plot.py: pictures are SVG: name a file that ends in .svg")
    (plot_cost if arguments.cost else plot_recall)(arguments)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"plot.py: {error}") from error
