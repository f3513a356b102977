//! What may be used up.

use crate::decode::section;
use crate::unit::{Amount, Rate, Several};

section! {
    /// What each member of a role may use up; an absent one is no limit.
    defaulted Limits {
        /// Calls.
        calls, "calls": Several<Rate> = Several::default();
        /// Calls that change something, or of which that is not known.
        mutations, "mutations": Several<Rate> = Several::default();
        /// Bytes received.
        bytes, "bytes": Several<Amount> = Several::default();
        /// Units of cost, as the tools state it.
        cost, "cost": Several<Rate> = Several::default();
        /// Calls of one session without a person in between.
        depth, "depth": Option<u32> = None;
        /// Calls under way at once.
        inflight, "inflight": Option<u32> = None;
        /// Calls of one session that hardly differ, within ten minutes.
        repeats, "repeats": Option<u32> = None;
        /// What all members together may use up.
        together, "together": Together = Together::default();
    }
}

section! {
    /// What several principals together may use up; an absent one is no limit.
    defaulted Together {
        /// Calls.
        calls, "calls": Several<Rate> = Several::default();
        /// Units of cost.
        cost, "cost": Several<Rate> = Several::default();
        /// Calls under way at once.
        inflight, "inflight": Option<u32> = None;
    }
}

section! {
    /// What is asked of a server or a tool, by all principals together.
    defaulted Served {
        /// Calls.
        calls, "calls": Several<Rate> = Several::default();
        /// Calls, spread evenly.
        pace, "pace": Option<Rate> = None;
        /// Calls under way at once.
        inflight, "inflight": Option<u32> = None;
        /// What each principal may ask of it.
        each, "each": Each = Each::default();
    }
}

section! {
    /// What each principal may ask of a server or a tool.
    defaulted Each {
        /// Calls.
        calls, "calls": Several<Rate> = Several::default();
        /// Bytes received.
        bytes, "bytes": Several<Amount> = Several::default();
        /// Calls under way at once.
        inflight, "inflight": Option<u32> = None;
    }
}
