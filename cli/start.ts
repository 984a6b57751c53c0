#!/usr/bin/env node
/**
 * @module The command `floe`: keeps compiled code before it loads the program.
 */
import { keepCompiledCode } from './compile-cache.ts';

keepCompiledCode();
const { runFloe } = await import('./main.ts');
await runFloe();
