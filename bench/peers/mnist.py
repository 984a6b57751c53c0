"""What the peers of bench/simulator.ts share: MNIST from IDX files, the 2NN, a report as one line."""

import functools
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


@functools.cache
def once_loaded(folder, participants):
    """Train and test set and everybody's rows, once in a process: Ray pickles what the script itself
    defines, with its globals, for every task, but not what it imports."""
    train, test = load(folder)
    return train, test, deal(len(train[1]), participants)


def two_nn():
    n = torch.nn
    return n.Sequential(
        n.Linear(784, 200), n.ReLU(), n.Linear(200, 200), n.ReLU(), n.Linear(200, 10)
    )


def processes():
    """This run's processes on Linux, those of Ray and torchrun included, as (id, clock ticks)."""
    # torchrun starts the two processes of a run; its own parent is not part of it.
    root = os.getppid() if 'RANK' in os.environ else os.getpid()
    ticks, children = {}, {}
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(name))
        # User and system time, of the process and of its children that have ended.
        ticks[int(name)] = sum(map(int, fields[11:15]))
    found, left = [], [root]
    while left:
        process = left.pop()
        found.append((process, ticks.get(process, 0)))
        left += children.get(process, [])
    return found


def memory_of(process):
    """Its share of physical memory, in bytes: pages of several processes count once in a sum."""
    try:
        with open(f'/proc/{process}/smaps_rollup') as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith('Pss:'))
    except OSError:
        return 0


def usage():
    """Processor seconds and memory of all processes; None where the system does not tell."""
    if not os.path.isdir('/proc/self'):
        return None
    found = processes()
    seconds = sum(ticks for _, ticks in found) / os.sysconf('SC_CLK_TCK')
    return seconds, sum(memory_of(process) for process, _ in found)


class Progress:
    """Prints rounds a minute and processor seconds a round after the first three, the most memory
    of all processes at the end of a round, and when the accuracy was reached."""

    def __init__(self, target):
        self.target = target
        self.times = []
        self.used = []
        self.reached = None

    def round(self, accuracy):
        self.times.append(time.time())
        self.used.append(usage())
        if self.reached is None and accuracy >= self.target:
            self.reached = self.times[-1] - STARTED

    def report(self):
        steady, used = self.times[3:], self.used[3:]
        rounds = len(steady) - 1
        result = {'roundsAMinute': None, 'processorSeconds': None, 'seconds': self.reached}
        result['peakMemory'] = None
        if rounds > 0:
            result['roundsAMinute'] = 60 * rounds / (steady[-1] - steady[0])
            if None not in used:
                result['processorSeconds'] = (used[-1][0] - used[0][0]) / rounds
                result['peakMemory'] = max(memory for _, memory in used)
        print('RESULT ' + json.dumps(result), flush=True)
