/**
 * @module Loaded into a measured coordinator (`--import`, with `--expose-gc`): at SIGUSR2 it
 * collects garbage and prints the remaining heap. Resident memory depends more on the allocator and
 * on the load of the machine than on the program.
 */
const { gc } = globalThis;

process.on('SIGUSR2', () => {
  // Twice: objects finalised by the first pass are freed by the second.
  gc?.();
  gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stdout.write(`heap ${JSON.stringify({ heapUsed, external, arrayBuffers })}\n`);
});
