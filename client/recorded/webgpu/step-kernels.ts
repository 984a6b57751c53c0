/**
 * @module Kernels around a plan: they copy a step's batch and random numbers to where the plan
 * reads them, and its outputs to the trail. Each reads the numbers of its step from a uniform
 * buffer, at a dynamic offset.
 */
import { type Kernel, gridFor, invocation } from './shader.ts';

/**
 * Bytes between the numbers of one step and the next: the largest alignment a device may ask for.
 */
export const STEP_BYTES = 256;
/** Steps in one submission. */
export const CHUNK = 64;

const STEP_STRUCT = `struct Step { start: u32, trail: u32, rate: f32, draw: u32 }
`;

/** Copies one batch, its targets and the learning rate to where the plan reads them. */
export const batchCode = (size: number, width: number, targets: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> rate: array<f32>;
@group(0) @binding(3) var<storage, read> features: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(size * width), size * width)}  let row = i / ${width}u;
  x[i] = features[order[step.start + row] * ${width}u + i % ${width}u];
  if (i == 0u) { rate[0] = step.rate; }
  for (var j = i; j < ${size * targets}u; j += ${size * width}u) {
    y[j] = labels[order[step.start + j / ${targets}u] * ${targets}u + j % ${targets}u];
  }
}
`;

/** Copies the outputs of a batch to their place in the trail. */
export const trailCode = (count: number, outputs: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> trail: array<f32>;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(count), count)}  trail[step.trail * ${outputs}u + i] = prediction[i];
}
`;

/** Copies a step's random numbers out of the submission's. */
export const drawCode = (count: number): string => `${STEP_STRUCT}
@group(0) @binding(0) var<storage, read_write> to: array<f32>;
@group(0) @binding(1) var<storage, read> draws: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) lid: vec3u) {
${invocation(gridFor(count), count)}  to[i] = draws[step.draw * ${count}u + i];
}
`;

/** A kernel that reads the numbers of its step. */
export const stepped = (
  label: string,
  code: string,
  workgroups: [number, number, number],
): Kernel => ({
  label,
  code,
  buffers: [],
  workgroups,
  stepped: true,
});
