"""Flower's simulation on the task of bench/simulator.ts, with Ray, optionally under SecAgg+.
Arguments: IDX folder, participants, cohort, rounds, plain or secagg."""

import sys

import numpy as np
import torch
from flwr.client import ClientApp, NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import LegacyContext, ServerApp, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.simulation import run_simulation

from mnist import Progress, once_loaded, two_nn

folder, participants, cohort, rounds = sys.argv[1], *map(int, sys.argv[2:5])
masked = sys.argv[5] == 'secagg'
torch.set_num_threads(1)


def weights_of(net):
    return [value.detach().numpy() for value in net.state_dict().values()]


def put(net, weights):
    net.load_state_dict(
        {name: torch.from_numpy(np.array(w)) for name, w in zip(net.state_dict(), weights)}
    )


class Client(NumPyClient):
    def __init__(self, index):
        self.index = index

    def fit(self, parameters, config):
        torch.set_num_threads(1)
        (x, y), _, shares = once_loaded(folder, participants)
        rows = torch.from_numpy(np.random.permutation(shares[self.index]))
        net = two_nn()
        put(net, parameters)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for batch in rows.split(10):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
        return weights_of(net), len(rows), {}


def client_fn(context: Context):
    return Client(int(context.node_config['partition-id'])).to_client()


progress = Progress(0.97)
score_net = two_nn()


@torch.no_grad()
def evaluate(server_round, parameters, config):
    _, (x, y), _ = once_loaded(folder, participants)
    put(score_net, parameters)
    accuracy = (score_net(x).argmax(1) == y).float().mean().item()
    if server_round > 0:
        progress.round(accuracy)
    return 0.0, {'accuracy': accuracy}


server = ServerApp()


@server.main()
def main(grid, context):
    strategy = FedAvg(
        fraction_fit=cohort / participants,
        min_fit_clients=cohort,
        fraction_evaluate=0.0,
        evaluate_fn=evaluate,
        initial_parameters=ndarrays_to_parameters(weights_of(two_nn())),
    )
    legacy = LegacyContext(
        context=context, config=ServerConfig(num_rounds=rounds), strategy=strategy
    )
    fit = SecAggPlusWorkflow(num_shares=cohort, reconstruction_threshold=cohort // 2 + 1)
    workflow = DefaultWorkflow(fit_workflow=fit) if masked else DefaultWorkflow()
    workflow(grid, legacy)


run_simulation(
    server_app=server,
    client_app=ClientApp(client_fn=client_fn, mods=[secaggplus_mod] if masked else []),
    num_supernodes=participants,
    backend_config={'client_resources': {'num_cpus': 1, 'num_gpus': 0.0}},
)
progress.report()
