/// The coin that storage is paid with. The devnet's faucet holds the whole supply from the start.
module walrus::wal;

/// One-time witness and type of the coin; the smallest unit, FROST, is 1e-9 WAL.
public struct WAL has drop {}
