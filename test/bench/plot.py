#!/usr/bin/env python3
"""Draws recall against queries/s from one or more results.json of the benchmark.

With matplotlib a picture (-o FILE: png, svg, pdf); without it, or without -o, a chart of characters.
"""
import argparse
import json
import math
import sys

MARKS = "ox+*#@%&"


def envelope(points):
    """The points that no other beats in both recall and rate, by rising recall."""
    best, kept = 0.0, []
    for recall, rate in sorted(points, reverse=True):
        if rate > best:
            best = rate
            kept.append((recall, rate))
    return kept[::-1]


def load_curves(paths, question, by_cpu):
    """{label: [(recall, rate)]} of one question: (k, share that passes the filter, clients)."""
    curves = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        for engine in report["engines"]:
            label = engine["name"] if len(paths) == 1 else f'{engine["name"]} ({path})'
            for point in engine["points"]:
                if (point["k"], point["filter_share"], point["clients"]) != question or not point["uses_index"]:
                    continue
                cpu = point["cpu_us_per_query"]
                rate = (1e6 / cpu if cpu else None) if by_cpu else point["queries_per_second"]
                if rate:
                    curves.setdefault(label, []).append((point["recall"], rate))
    return {label: envelope(points) for label, points in curves.items()}


def first_combination(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    for engine in report["engines"]:
        for point in engine["points"]:
            return int(point["k"]), int(point["clients"])
    raise SystemExit(f"plot.py: {path} holds no measured points")


def recall_position(recall):
    """Recall is drawn over -log(1 - recall), where its costly end has room."""
    return -math.log10(1.0 - min(recall, 0.9999))


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
    for recall in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999):
        place = (recall_position(recall) - left) / (right - left)
        if 0 <= place <= 1:
            start = 10 + round(place * (width - 1))
            scale[start : start + len(str(recall))] = str(recall)
    print("".join(scale).rstrip())
    print(f"{axis} against recall; " + ", ".join(f"{MARKS[i % len(MARKS)]} {name}" for i, name in enumerate(curves)))


def draw_picture(pyplot, curves, title, axis, path):
    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    for index, (label, points) in enumerate(curves.items()):
        axes.plot([recall_position(recall) for recall, _ in points], [rate for _, rate in points],
                  marker="osv^Dx*+"[index % 8], label=label)
    ticks = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    axes.set_xticks([recall_position(tick) for tick in ticks], [str(tick) for tick in ticks])
    axes.set_yscale("log")
    axes.set_xlabel("recall")
    axes.set_ylabel(axis)
    axes.set_title(title, fontsize=9)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", help="results.json of one or more runs")
    parser.add_argument("-o", "--output", help="picture to write (needs matplotlib)")
    parser.add_argument("--k", type=int, help="rows per search (the first in the file)")
    parser.add_argument("--filter", type=float, default=1.0, help="share that passes the filter (1: no filter)")
    parser.add_argument("--clients", type=int, help="number of clients (the first in the file)")
    parser.add_argument("--cpu", action="store_true", help="queries per second of processor time instead of wall time")
    arguments = parser.parse_args()
    k, clients = first_combination(arguments.results[0])
    k, clients = arguments.k or k, arguments.clients or clients
    curves = load_curves(arguments.results, (k, arguments.filter, clients), arguments.cpu)
    if not curves:
        raise SystemExit(f"plot.py: no points with k = {k}, filter {arguments.filter} and {clients} clients")
    axis = "queries per second of processor time" if arguments.cpu else "queries/s"
    with open(arguments.results[0], encoding="utf-8") as file:
        data = json.load(file)["facts"].get("data", "")
    title = f"{data}; k = {k}, {clients} client{'s' if clients > 1 else ''}"
    if arguments.filter != 1.0:
        title += f", filter passes {arguments.filter:.3g}"
    if arguments.output:
        try:
            import matplotlib
            matplotlib.use("Agg")
            from matplotlib import pyplot
        except ImportError:
            print("plot.py: matplotlib is not installed (package python3-matplotlib): drawing text", file=sys.stderr)
        else:
            draw_picture(pyplot, curves, title, axis, arguments.output)
            return
    draw_text(curves, title, axis)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"plot.py: {error}") from error
