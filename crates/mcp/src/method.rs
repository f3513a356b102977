//! The methods of every revision: a closed list.

use crate::revision::Revision;
use std::fmt;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The agent's client.
    Client,
    /// The tool server.
    Server,
}

/// Who may send a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client alone.
    FromClient,
    /// The server alone.
    FromServer,
    /// Either.
    Both,
}

/// Whether a method is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// It has an id and gets one answer.
    Request,
    /// It has none and gets none.
    Notification,
}

/// Whether a method can do without `params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// It must have them.
    Must,
    /// It may have them.
    May,
}

macro_rules! methods {
    ($($name:ident = $text:literal, $sort:ident, $direction:ident, $need:ident, $first:ident..=$last:ident;)*) => {
        /// A method of some revision.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The method of exactly this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether it is answered.
            pub const fn sort(self) -> Sort {
                match self { $(Self::$name => Sort::$sort,)* }
            }

            /// Who may send it.
            pub const fn direction(self) -> Direction {
                match self { $(Self::$name => Direction::$direction,)* }
            }

            /// Whether it must have `params`. On the modern revision every request must.
            pub const fn params(self) -> Need {
                match self { $(Self::$name => Need::$need,)* }
            }

            /// The first and the last revision that have it as a message of its own.
            pub const fn span(self) -> (Revision, Revision) {
                match self { $(Self::$name => (Revision::$first, Revision::$last),)* }
            }
        }
    };
}

methods! {
    Initialize = "initialize", Request, FromClient, Must, R2024_11_05..=R2025_11_25;
    Initialized = "notifications/initialized", Notification, FromClient, May, R2024_11_05..=R2025_11_25;
    Discover = "server/discover", Request, FromClient, Must, R2026_07_28..=R2026_07_28;
    Ping = "ping", Request, Both, May, R2024_11_05..=R2025_11_25;
    ListTools = "tools/list", Request, FromClient, May, R2024_11_05..=R2026_07_28;
    CallTool = "tools/call", Request, FromClient, Must, R2024_11_05..=R2026_07_28;
    ListResources = "resources/list", Request, FromClient, May, R2024_11_05..=R2026_07_28;
    ListResourceTemplates = "resources/templates/list", Request, FromClient, May, R2024_11_05..=R2026_07_28;
    ReadResource = "resources/read", Request, FromClient, Must, R2024_11_05..=R2026_07_28;
    Subscribe = "resources/subscribe", Request, FromClient, Must, R2024_11_05..=R2025_11_25;
    Unsubscribe = "resources/unsubscribe", Request, FromClient, Must, R2024_11_05..=R2025_11_25;
    ListPrompts = "prompts/list", Request, FromClient, May, R2024_11_05..=R2026_07_28;
    GetPrompt = "prompts/get", Request, FromClient, Must, R2024_11_05..=R2026_07_28;
    Complete = "completion/complete", Request, FromClient, Must, R2024_11_05..=R2026_07_28;
    SetLevel = "logging/setLevel", Request, FromClient, Must, R2024_11_05..=R2025_11_25;
    Listen = "subscriptions/listen", Request, FromClient, Must, R2026_07_28..=R2026_07_28;
    ListenAcknowledged = "notifications/subscriptions/acknowledged", Notification, FromServer, Must, R2026_07_28..=R2026_07_28;
    Cancelled = "notifications/cancelled", Notification, Both, Must, R2024_11_05..=R2026_07_28;
    Progress = "notifications/progress", Notification, Both, Must, R2024_11_05..=R2026_07_28;
    LogMessage = "notifications/message", Notification, FromServer, Must, R2024_11_05..=R2026_07_28;
    ToolsChanged = "notifications/tools/list_changed", Notification, FromServer, May, R2024_11_05..=R2026_07_28;
    PromptsChanged = "notifications/prompts/list_changed", Notification, FromServer, May, R2024_11_05..=R2026_07_28;
    ResourcesChanged = "notifications/resources/list_changed", Notification, FromServer, May, R2024_11_05..=R2026_07_28;
    ResourceUpdated = "notifications/resources/updated", Notification, FromServer, Must, R2024_11_05..=R2026_07_28;
    Elicit = "elicitation/create", Request, FromServer, Must, R2025_06_18..=R2025_11_25;
    ElicitationComplete = "notifications/elicitation/complete", Notification, FromServer, Must, R2025_11_25..=R2025_11_25;
    CreateMessage = "sampling/createMessage", Request, FromServer, Must, R2024_11_05..=R2025_11_25;
    ListRoots = "roots/list", Request, FromServer, May, R2024_11_05..=R2025_11_25;
    RootsChanged = "notifications/roots/list_changed", Notification, FromClient, May, R2024_11_05..=R2025_11_25;
    GetTask = "tasks/get", Request, Both, Must, R2025_11_25..=R2025_11_25;
    TaskResult = "tasks/result", Request, Both, Must, R2025_11_25..=R2025_11_25;
    CancelTask = "tasks/cancel", Request, Both, Must, R2025_11_25..=R2025_11_25;
    ListTasks = "tasks/list", Request, Both, May, R2025_11_25..=R2025_11_25;
    TaskStatus = "notifications/tasks/status", Notification, Both, Must, R2025_11_25..=R2025_11_25;
}

impl Method {
    /// Whether `revision` has it as a message of its own.
    pub fn is_in(self, revision: Revision) -> bool {
        let (first, last) = self.span();
        first <= revision && revision <= last
    }

    /// Whether `peer` may send it in `revision`.
    pub fn may_come_from(self, peer: Peer, revision: Revision) -> bool {
        let direction = match (self, revision.is_legacy()) {
            (Self::Progress, false) => Direction::FromServer,
            _ => self.direction(),
        };
        let side = match direction {
            Direction::FromClient => peer == Peer::Client,
            Direction::FromServer => peer == Peer::Server,
            Direction::Both => true,
        };
        side && self.is_in(revision)
    }

    /// Whether it is one of the experimental task methods, which are not declared on either leg. On the modern revision they are an extension
    /// that is not declared, so that there are none.
    pub const fn is_task(self) -> bool {
        matches!(self, Self::GetTask | Self::TaskResult | Self::CancelTask | Self::ListTasks | Self::TaskStatus)
    }

    /// Whether a server may answer it with questions first: a result that is `input_required` (modern).
    pub const fn may_ask(self) -> bool {
        matches!(self, Self::CallTool | Self::GetPrompt | Self::ReadResource)
    }

    /// Whether its result says how long it may be kept: `ttlMs` and `cacheScope` (modern).
    pub const fn is_cached(self) -> bool {
        matches!(
            self,
            Self::Discover | Self::ListTools | Self::ListResources | Self::ListResourceTemplates | Self::ReadResource | Self::ListPrompts
        )
    }

    /// Whether it is a question of a server to the client: a request of its own on legacy revisions, an entry of a result on the modern one.
    pub const fn is_question(self) -> bool {
        matches!(self, Self::Elicit | Self::CreateMessage | Self::ListRoots)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_found_by_its_name_and_only_in_its_revisions() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(*method));
            assert_eq!(method.as_str().starts_with("notifications/"), method.sort() == Sort::Notification);
        }
        assert!(!Method::Ping.is_in(Revision::R2026_07_28));
        assert!(!Method::Elicit.is_in(Revision::R2025_03_26));
        assert!(!Method::Progress.may_come_from(Peer::Client, Revision::R2026_07_28));
        assert!(!Method::CallTool.may_come_from(Peer::Server, Revision::R2025_11_25));
    }
}
