/**
 * @module Object ids and addresses on Sui, as text.
 */

/** Whether it is an object id or an address on Sui: 0x and 64 hex digits. */
export const isObjectId = (text: string): boolean => /^0x[0-9a-f]{64}$/iu.test(text);
