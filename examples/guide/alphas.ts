import { readContract } from '../../client/index.ts';
import { simulate } from '../../sim/index.ts';

const contract = await readContract('contract', 'contract.json');
for (const alpha of [0.2, 100]) {
  const { summary } = await simulate({
    data: 'oslo.csv',
    contract,
    model: 'linear',
    participants: 4,
    rounds: 1,
    partition: { type: 'dirichlet', alpha },
    substrate: 'local',
    workers: 1,
  });
  const [last] = summary.history.slice(-1);
  console.log(
    `alpha ${alpha}: test accuracy ${summary.testAccuracy}, ${last?.survivors} survivors`,
  );
}
