"""pfl-research on the task of bench/simulator.ts, one process, or several under
torchrun. Arguments: IDX folder, participants, cohort, rounds."""

import os
import sys

import numpy as np
import torch

from mnist import Progress, deal, load, two_nn
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam.base import NNTrainHyperParams
from pfl.internal.ops import pytorch_ops  # noqa: F401
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel

folder, participants, cohort, rounds = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(1)
np.random.seed(1)
(train_x, train_y), (test_x, test_y) = load(folder)
shares = deal(len(train_y), participants)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = two_nn()

    def forward(self, x):
        return self.net(x)

    def loss(self, x, y):
        return torch.nn.functional.cross_entropy(self.net(x), y)

    @torch.no_grad()
    def metrics(self, x, y):
        return {'loss': Weighted(self.loss(x, y).item() * len(y), len(y))}


net = Net()
# The model is the same in every process, so one scores it.
is_first = int(os.environ.get('RANK', '0')) == 0
progress = Progress(0.97)


class Score(TrainingProcessCallback):
    @torch.no_grad()
    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        if not is_first:
            return False, Metrics()
        right = (net(test_x).argmax(1) == test_y).float().mean().item()
        progress.round(right)
        return False, Metrics()


def make(user):
    rows = shares[user]
    return Dataset(raw_data=[train_x[rows], train_y[rows]], user_id=user)


users = FederatedDataset(make, get_user_sampler('random', list(range(participants))))
model = PyTorchModel(
    model=net,
    local_optimizer_create=torch.optim.SGD,
    central_optimizer=torch.optim.SGD(net.parameters(), lr=1.0),
)
FederatedAveraging().run(
    algorithm_params=NNAlgorithmParams(
        central_num_iterations=rounds,
        evaluation_frequency=rounds + 1,
        train_cohort_size=cohort,
        val_cohort_size=0,
    ),
    backend=SimulatedBackend(training_data=users, val_data=users),
    model=model,
    model_train_params=NNTrainHyperParams(
        local_num_epochs=1, local_learning_rate=0.1, local_batch_size=10
    ),
    model_eval_params=None,
    callbacks=[Score()],
)
if is_first:
    progress.report()
