/**
 * @module A fault of V8 in Node 24: where several threads have WebAssembly, the compiled code of a
 * call from wasm to JavaScript is sometimes freed wrongly, and the process dies ("Check failed:
 * jit_page.has_value()" in `Runtime_TierUpWasmToJSWrapper`, or SIGSEGV; see nodejs/node#64500).
 * Such calls stay on the generic code here, 20 ns instead of 6: Floe makes few of them.
 */
const NODE_24 = /^24\./u;
/** V8's flag: calls before it compiles code for them. */
const FLAG = '--wasm-wrapper-tiering-budget=2147483647';

/** Called before a thread is started; it holds for modules that are instantiated afterwards. */
export const keepGenericWrappers = (): void => {
  const { process } = globalThis;
  // Another version prints a line for a flag that it does not know.
  if (NODE_24.test(process?.versions?.node ?? ''))
    process.getBuiltinModule('node:v8').setFlagsFromString(FLAG);
};
