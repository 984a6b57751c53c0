"""Training speed of PyTorch on the models of bench/gpu.ts, on the same card: one JSON line a result."""

import json
import sys
import time

import torch
from torch import nn

QUICK = "--quick" in sys.argv
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)
    )


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10),
    )


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def speed(make, batch, graph, channels_last):
    model = make().to(DEVICE)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    examples = max(batch * 4, 8192) if not QUICK else batch * 2
    features = torch.rand(examples, 1, 28, 28, device=DEVICE)
    labels = torch.arange(examples, device=DEVICE) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loss_of = nn.CrossEntropyLoss()
    x = torch.zeros(batch, 1, 28, 28, device=DEVICE)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.long, device=DEVICE)
    order = torch.arange(examples, device=DEVICE)

    def body():
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(x), y).backward()
        optimizer.step()

    def step(i):
        chosen = order[(i * batch) % (examples - batch + 1):][:batch]
        x.copy_(features[chosen])
        y.copy_(labels[chosen])
        replay() if replay else body()

    replay = None
    if graph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                body()
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(captured):
            body()
        replay = captured.replay

    def run(steps):
        wait()
        started = time.perf_counter()
        for i in range(steps):
            step(i)
        wait()
        return (time.perf_counter() - started) / steps

    run(2 if QUICK else 50)
    first = run(2 if QUICK else 50)
    steps = max(2, min(4096, int(0.6 / first))) if not QUICK else 2
    return min(run(steps) for _ in range(3))


torch.backends.cudnn.benchmark = True
print(json.dumps({"what": "torch", "version": torch.__version__, "device": DEVICE,
                  "name": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"}), flush=True)
cases = [("mlp-2nn", mlp, 10), ("mlp-2nn", mlp, 256), ("cnn", cnn, 32), ("cnn", cnn, 256)]
if QUICK:
    cases = [("mlp-2nn", mlp, 10), ("cnn", cnn, 4)]
for tf32 in (False, True):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    for name, make, batch in cases:
        for graph in (False, True):
            if graph and DEVICE != "cuda":
                continue
            for channels_last in ((False, True) if name == "cnn" and batch == 256 else (False,)):
                engine = "torch" + (" tf32" if tf32 else " fp32") + (" graph" if graph else " eager")
                engine += " nhwc" if channels_last else ""
                try:
                    seconds = speed(make, batch, graph, channels_last)
                    print(json.dumps({"what": "speed", "engine": engine, "model": name, "batch": batch,
                                      "samplesPerSecond": round(batch / seconds),
                                      "msPerStep": seconds * 1000}), flush=True)
                except RuntimeError as error:
                    print(json.dumps({"what": "failed", "engine": engine, "model": name, "batch": batch,
                                      "why": str(error).splitlines()[0]}), flush=True)
