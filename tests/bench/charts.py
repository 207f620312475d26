#!/usr/bin/env python3
"""Draws what where.py measured: charts.py WHERE.json FOLDER writes an SVG for each way of a task.
"""

import argparse
import json
import pathlib
import re
from xml.sax.saxutils import escape

PROCESSES = ("client", "broker", "worker")
# As where.py calls the parts. The colours are Okabe and Ito's, which those tell apart who see no
# red or green, too, and lighter and darker ones.
COLOURS = {
    "Treadle": "#0072b2",
    "Treadle: engine": "#004166",
    "Treadle: rows and store": "#56b4e9",
    "Treadle: edge": "#99c7e0",
    "allocator": "#009e73",
    "copying bytes": "#f0e442",
    "protobuf": "#99d8c7",
    "gRPC": "#e69f00",
    "sockets": "#f5d899",
    "locks and wake-ups": "#d55e00",
    "polling": "#7f4f00",
    "RocksDB": "#cc79a7",
    "disk": "#ebc9dc",
    "fresh memory": "#b3b3b3",
    "interrupts and others": "#666666",
    "libc and others": "#333333",
}
WIDTH, LABEL, BAR, GAP, LINE = 860, 70, 28, 12, 18
SMALL = 0.012  # of the longest bar: less is not drawn apart


def chart(way):
    scale, unit = (1, "µs") if way["alone"] else (1000, "ns")
    parts = {process: dict(way["parts"][process]) for process in PROCESSES}
    longest = max(sum(of.values()) for of in parts.values())
    drawn = [name for name in COLOURS
             if any(of.get(name, 0) > SMALL * longest for of in parts.values())]
    top = 46
    keys = top + len(PROCESSES) * (BAR + GAP) + 10
    columns = 3
    height = keys + -(-len(drawn) // columns) * LINE + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           f'<text x="10" y="24" font-size="15">A task {escape(way["name"])}: '
           f'{unit} of processor time by part</text>']
    room = WIDTH - LABEL - 70
    for row, process in enumerate(PROCESSES):
        y = top + row * (BAR + GAP)
        out.append(f'<text x="10" y="{y + BAR / 2 + 4:.0f}">{process}</text>')
        x = LABEL
        for name in drawn:
            width = parts[process].get(name, 0) / longest * room
            value = parts[process].get(name, 0) * scale
            if width < 0.5:
                continue
            out.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" '
                       f'fill="{COLOURS[name]}"><title>{escape(name)}: {value:.0f} {unit}</title>'
                       '</rect>')
            x += width
        total = sum(parts[process].values()) * scale
        out.append(f'<text x="{x + 6:.0f}" y="{y + BAR / 2 + 4:.0f}">{total:,.0f}</text>')
    for i, name in enumerate(drawn):
        x = 10 + i % columns * (WIDTH - 20) // columns
        y = keys + i // columns * LINE
        total = sum(of.get(name, 0) for of in parts.values()) * scale
        out.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[name]}"/>'
                   f'<text x="{x + 18}" y="{y + 10}">{escape(name)}: {total:,.0f}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    flags = parser.parse_args()
    flags.folder.mkdir(parents=True, exist_ok=True)
    for way in json.loads(flags.figures.read_text(encoding="utf-8"))["ways"]:
        name = re.sub(r"[^a-z0-9]+", "-", way["name"].lower())
        path = flags.folder / f"{name}.svg"
        path.write_text(chart(way), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
