/**
 * @module A run in memory in which the real coordinator meets the real participants, for tests of
 * what one may do to the other.
 */
import { memoryKeystore, type Keystore } from '../../client/keystore/index.ts';
import {
  joinRun,
  type Participant,
  type ParticipantEvent,
  type ParticipantOptions,
} from '../../client/participant/index.ts';
import { functionTrainer, type TrainRequest } from '../../client/trainer.ts';
import type { Coordinator } from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { utf8 } from '../../protocol/bytes.ts';
import { systemClock } from '../../protocol/ports/clock.ts';
import { decodeClientFrame } from '../../protocol/wire/messages.ts';
import { deriveSeed, systemRandom } from '../../protocol/ports/random.ts';
import { TEST_ADMISSION } from './admission.ts';
import { connectionPair } from './connection.ts';
import type { Stage } from './run.ts';

export interface Guest {
  readonly participant: Participant;
  readonly keystore: Keystore;
  readonly events: ParticipantEvent[];
  /** What it was asked to train on. */
  readonly requests: TrainRequest[];
  /** The types of the frames it has sent. */
  readonly sent: string[];
  /** The code of the error it ended with, or how it ended. */
  readonly ended: Promise<string>;
}

export const keystoreNamed = (name: string): Promise<Keystore> =>
  memoryKeystore(deriveSeed(utf8(name), 'guest'));

/** Joins the run of `coordinator` as `name`. */
export const guest = async (
  stage: Stage,
  coordinator: Pick<Coordinator, 'accept'>,
  name: string,
  over: Partial<ParticipantOptions> = {},
): Promise<Guest> => {
  const keystore = await keystoreNamed(name);
  const events: ParticipantEvent[] = [];
  const requests: TrainRequest[] = [];
  const sent: string[] = [];
  const participant = joinRun({
    keystore,
    store: stage.store,
    connect: async () => {
      const [server, client] = connectionPair(name);
      coordinator.accept(server);
      return {
        ...client,
        send: (bytes) => {
          sent.push(decodeClientFrame(bytes).type);
          client.send(bytes);
        },
      };
    },
    trainer: functionTrainer({
      manifest: stage.spec.model,
      train: (request) => {
        requests.push(request);
        return {
          weights: request.weights.map((value, i) => value + 0.01 * (name.length + i)),
          examples: 5,
          lossSum: 1,
          correct: 1,
        };
      },
    }),
    gate: sealedBoxGate(keystore.identity),
    clock: systemClock,
    random: systemRandom,
    backoff: { baseMs: 5, maxMs: 20 },
    require: TEST_ADMISSION,
    onEvent: (event) => events.push(event),
    ...over,
  });
  const ended = participant.finished.then(
    ({ type }) => type,
    (thrown: unknown) => String((thrown as { code?: string }).code),
  );
  return { participant, keystore, events, requests, sent, ended };
};
