//! records, Merkle log, checkpoints, proofs, witnesses, sessions, the public verifier
