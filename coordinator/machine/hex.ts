/**
 * @module The form in which the machine's state names identities.
 */

/** Ed25519 public key, 64 lower-case hex digits. */
export type Hex = string;
