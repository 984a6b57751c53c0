"""What the peers of bench/simulator.ts share: MNIST from IDX files, the 2NN, a report as one line."""

import json
import os
import time

import numpy as np
import torch

STARTED = time.time()


def read(folder, name, offset):
    with open(os.path.join(folder, name), 'rb') as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def load(folder):
    images = [read(folder, f'{part}-images-idx3-ubyte', 16) for part in ('train', 't10k')]
    labels = [read(folder, f'{part}-labels-idx1-ubyte', 8) for part in ('train', 't10k')]
    x = [torch.from_numpy(part.reshape(-1, 784).astype(np.float32) / 255) for part in images]
    y = [torch.from_numpy(part.astype(np.int64)) for part in labels]
    return (x[0], y[0]), (x[1], y[1])


def deal(count, participants, seed=0):
    order = np.random.default_rng(seed).permutation(count)
    return np.array_split(order, participants)


def two_nn():
    n = torch.nn
    return n.Sequential(
        n.Linear(784, 200), n.ReLU(), n.Linear(200, 200), n.ReLU(), n.Linear(200, 10)
    )


class Progress:
    """Prints rounds a minute after the first three, and when the accuracy was reached."""

    def __init__(self, target):
        self.target = target
        self.times = []
        self.reached = None

    def round(self, accuracy):
        self.times.append(time.time())
        if self.reached is None and accuracy >= self.target:
            self.reached = self.times[-1] - STARTED

    def report(self):
        steady = self.times[3:]
        rate = 60 * (len(steady) - 1) / (steady[-1] - steady[0]) if len(steady) > 1 else None
        print('RESULT ' + json.dumps({'roundsAMinute': rate, 'seconds': self.reached}), flush=True)
