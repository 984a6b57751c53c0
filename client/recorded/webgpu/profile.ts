/**
 * @module Measures each kernel of a replay separately: for benchmarks and for choosing tiles.
 */
import type { Replay } from './replay.ts';
import type { Session } from './session.ts';

export interface KernelTime {
  readonly label: string;
  readonly microseconds: number;
  readonly gigaflops: number | undefined;
}

/** Runs each kernel `times` times in one submission; data does not matter. */
export const profile = async (
  { gpu }: Session,
  replay: Replay,
  times: number,
  now: () => number,
): Promise<KernelTime[]> => {
  const { device } = gpu;
  const measured: KernelTime[] = [];
  for (const { kernel, pipeline, group } of replay.launches) {
    const submit = async (count: number): Promise<number> => {
      const started = now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      if (kernel.stepped === true) pass.setBindGroup(0, group, [0]);
      else pass.setBindGroup(0, group);
      for (let i = 0; i < count; i++) pass.dispatchWorkgroups(...kernel.workgroups);
      pass.end();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return now() - started;
    };
    // Kernels are measured one after the other, the first run of each apart.
    const short = await submit(1);
    const long = times > 1 ? await submit(times) : short;
    const microseconds = (long / times) * 1000;
    const gigaflops = kernel.flops === undefined ? undefined : kernel.flops / microseconds / 1000;
    measured.push({ label: kernel.label, microseconds, gigaflops });
  }
  return measured;
};
