/**
 * @module Loaded into a coordinator that is measured (`--import`, with `--expose-gc`): at SIGUSR2
 * it collects its garbage and prints what is left. What is resident says more of the allocator and
 * of the load of the machine than of the program.
 */
const { gc } = globalThis;

process.on('SIGUSR2', () => {
  // Twice: what a first pass finalises holds memory until the second.
  gc?.();
  gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stdout.write(`heap ${JSON.stringify({ heapUsed, external, arrayBuffers })}\n`);
});
