"""Puts the JSON lines of bench/gpu.ts and bench/gpu.py side by side: samples per second and ratios to PyTorch."""

import json
import sys

lines = [json.loads(line) for path in sys.argv[1:] for line in open(path) if line.startswith("{")]
for line in lines:
    if line["what"] in ("adapter", "torch", "parity", "failed", "round"):
        print(line)
speeds = [line for line in lines if line["what"] == "speed"]
for case in sorted({(s["model"], s["batch"]) for s in speeds}):
    rows = {s["engine"]: s["samplesPerSecond"] for s in speeds if (s["model"], s["batch"]) == case}
    base = rows.get("torch fp32 eager")
    print(f"\n{case[0]}, batch {case[1]}: samples per second, ratio to PyTorch eager with TF32 off")
    for engine, speed in rows.items():
        print(f"  {engine:28} {speed:>12,} " + (f"{speed / base:8.2f}" if base else ""))
kernels = [line for line in lines if line["what"] == "kernel"]
for case in sorted({(k["model"], k["batch"]) for k in kernels}):
    own = [k for k in kernels if (k["model"], k["batch"]) == case]
    print(f"\n{case[0]}, batch {case[1]}: kernels, {sum(k['microseconds'] for k in own):.0f} us together")
    for k in sorted(own, key=lambda k: -k["microseconds"]):
        rate = f"{k['gigaflops']:10.0f} GFLOP/s" if k.get("gigaflops") else ""
        print(f"  {k['label']:44} {k['microseconds']:9.1f} us {rate}")
for tile in (line for line in lines if line["what"] == "tile"):
    print(f"tile {tile['model']} b{tile['batch']} [{tile['key']}]: {tile['tile']} {tile['microseconds']:.1f} us")
