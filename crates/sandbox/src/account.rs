//! The accounts of servers, where the gateway runs as root.

/// The first account: above those that distributions, containers and directories give out, below the half that is not safe to use.
const FIRST: u32 = 1_879_048_192;
/// How many there are.
const COUNT: u32 = 1 << 27;
/// How many accounts a container has.
pub(crate) const BLOCK: u32 = 65_536;
/// The first of the ranges for containers, and how many there are.
const BLOCKS_FROM: u32 = 524_288;
const BLOCKS: u32 = 28_664;

/// The account of `server` in `environment`, a number for user and group alike: always the same one, and another one for another server or
/// environment, but for one pair in 134 million.
pub fn account(environment: &str, server: &str) -> u32 {
    FIRST.saturating_add(u32::try_from(spread(environment, server) & u64::from(COUNT - 1)).unwrap_or(0))
}

/// The first of the 65,536 accounts that a container of `server` in `environment` has: a range of those that are set aside for containers (systemd,
/// "Users, Groups, UIDs and GIDs on systemd Systems"). Always the same one, and another one for another server, but for one pair in 28,664.
pub(crate) fn block(environment: &str, server: &str) -> u32 {
    BLOCKS_FROM.saturating_add(u32::try_from(spread(environment, server) % u64::from(BLOCKS)).unwrap_or(0).saturating_mul(BLOCK))
}

fn spread(environment: &str, server: &str) -> u64 {
    let words = [environment, "\0", server];
    // FNV-1a: spreads names, and needs no secret, since nobody gains by choosing a name.
    let hash = words
        .iter()
        .flat_map(|word| word.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn accounts_are_stable_and_apart() {
        assert_eq!(account("/state", "files"), account("/state", "files"));
        let all: BTreeSet<u32> = (0..1000).flat_map(|at| [account("/a", &at.to_string()), account("/b", &at.to_string())]).collect();
        assert!(all.len() >= 1999, "{}", all.len());
        assert!(all.iter().all(|one| (FIRST..FIRST + COUNT).contains(one)));
        assert_ne!(account("a", "bc"), account("ab", "c"));
        let blocks: BTreeSet<u32> = (0..20).map(|at| block("/a", &at.to_string())).collect();
        assert!(blocks.len() >= 19 && blocks.iter().all(|from| from % BLOCK == 0 && *from >= BLOCKS_FROM && from + (BLOCK - 1) < FIRST));
    }
}
