//! The dated versions of the specification: a closed set, compared byte for byte and never as dates.

use std::fmt;

/// A dated version of the MCP specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// `2024-11-05`: HTTP+SSE.
    R2024_11_05,
    /// `2025-03-26`.
    R2025_03_26,
    /// `2025-06-18`.
    R2025_06_18,
    /// `2025-11-25`: the newest one with a handshake.
    R2025_11_25,
    /// `2026-07-28`: no handshake, everything in each request.
    R2026_07_28,
}

/// Whether a revision opens with a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// With `initialize` and a session.
    Legacy,
    /// Each request stands alone.
    Modern,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [Self::R2024_11_05, Self::R2025_03_26, Self::R2025_06_18, Self::R2025_11_25, Self::R2026_07_28];

    /// The newest revision with a handshake: what an unknown one is answered with (row 47).
    pub const NEWEST_LEGACY: Self = Self::R2025_11_25;

    /// The revision of exactly this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Its spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R2024_11_05 => "2024-11-05",
            Self::R2025_03_26 => "2025-03-26",
            Self::R2025_06_18 => "2025-06-18",
            Self::R2025_11_25 => "2025-11-25",
            Self::R2026_07_28 => "2026-07-28",
        }
    }

    /// Its era.
    pub const fn era(self) -> Era {
        match self {
            Self::R2024_11_05 | Self::R2025_03_26 | Self::R2025_06_18 | Self::R2025_11_25 => Era::Legacy,
            Self::R2026_07_28 => Era::Modern,
        }
    }

    /// Whether it opens with a handshake.
    pub const fn is_legacy(self) -> bool {
        matches!(self.era(), Era::Legacy)
    }

    /// Whether this build speaks it unless the configuration says otherwise.
    pub const fn is_on(self) -> bool {
        match self {
            Self::R2025_11_25 => true,
            Self::R2024_11_05 | Self::R2025_03_26 | Self::R2025_06_18 | Self::R2026_07_28 => false,
        }
    }

    /// Whether this build has its messages, so that it can be turned on.
    pub const fn is_known(self) -> bool {
        match self {
            Self::R2025_03_26 | Self::R2025_06_18 | Self::R2025_11_25 | Self::R2026_07_28 => true,
            Self::R2024_11_05 => false,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_spelling_is_a_revision() {
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
            assert!(revision.is_known() || !revision.is_on());
        }
        for bad in ["", "2025-11-25 ", "2025-11-26", "DRAFT-2026-v1", "２025-11-25"] {
            assert_eq!(Revision::parse(bad), None, "{bad}");
        }
    }
}
