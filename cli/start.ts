#!/usr/bin/env node
/**
 * @module The command `floe`: keeps compiled code, and sets V8, before it loads the program.
 */
import { keepGenericWrappers } from '../protocol/wasm-wrappers.ts';
import { keepCompiledCode } from './compile-cache.ts';
import { beginLean } from './lean-process.ts';

beginLean();
keepCompiledCode();
keepGenericWrappers();
const { runFloe } = await import('./main.ts');
await runFloe();
