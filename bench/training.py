"""The same training in PyTorch on one thread: reads `model batch steps` lines, answers each with
the samples per CPU second of its best of three runs."""

import resource
import sys

import torch

torch.set_num_threads(1)
torch.manual_seed(0)


def mlp():
    n = torch.nn
    return n.Sequential(
        n.Flatten(), n.Linear(784, 200), n.ReLU(), n.Linear(200, 200), n.ReLU(), n.Linear(200, 10)
    )


def cnn():
    n = torch.nn
    return n.Sequential(
        n.Conv2d(1, 32, 5, padding=2), n.ReLU(), n.MaxPool2d(2),
        n.Conv2d(32, 64, 5, padding=2), n.ReLU(), n.MaxPool2d(2),
        n.Flatten(), n.Linear(3136, 512), n.ReLU(), n.Linear(512, 10),
    )


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


for line in sys.stdin:
    name, batch, steps = line.split()
    batch, steps = int(batch), int(steps)
    model = mlp() if name == "mlp-2nn" else cnn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.rand(batch, 1, 28, 28)
    y = torch.arange(batch) % 10

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    for _ in range(3):
        step()
    best = float("inf")
    for _ in range(3):
        started = cpu_seconds()
        for _ in range(steps):
            step()
        best = min(best, cpu_seconds() - started)
    print(batch * steps / best, flush=True)
