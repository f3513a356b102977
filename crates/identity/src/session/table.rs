//! The maps behind the sessions, kept in step.

use super::{Binding, Session};
use std::collections::HashMap;
use std::sync::Arc;
use terms::{Entropy, Name, Principal, SessionId};

/// Who a session counts for: tokens and processes come and go, agent and user stay.
type Owner = (Name, Option<Name>);

fn owner(principal: &Principal) -> Owner {
    (principal.agent.clone(), principal.user.clone())
}

/// INVARIANT: `ids` and `bindings` hold the same sessions, and `counts` their number per owner, never zero.
pub(super) struct Table<T> {
    ids: HashMap<SessionId, Arc<Session<T>>>,
    bindings: HashMap<Binding, Arc<Session<T>>>,
    counts: HashMap<Owner, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), bindings: HashMap::new(), counts: HashMap::new() }
    }
}

impl<T> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn count(&self, principal: &Principal) -> usize {
        self.counts.get(&owner(principal)).copied().unwrap_or(0)
    }

    pub(super) fn bound(&self, binding: &Binding) -> Option<Arc<Session<T>>> {
        self.bindings.get(binding).cloned()
    }

    pub(super) fn by_id(&self, id: SessionId) -> Option<Arc<Session<T>>> {
        self.ids.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Session<T>>> {
        self.ids.values().cloned().collect()
    }

    /// An id that no open session has.
    pub(super) fn unused(&self, entropy: &dyn Entropy) -> Option<SessionId> {
        (0..8).map(|_| SessionId::new(entropy)).find(|id| !self.ids.contains_key(id))
    }

    pub(super) fn insert(&mut self, session: Session<T>) -> Arc<Session<T>> {
        let session = Arc::new(session);
        self.ids.insert(session.id, Arc::clone(&session));
        self.bindings.insert(session.binding.clone(), Arc::clone(&session));
        *self.counts.entry(owner(&session.binding.principal)).or_insert(0) += 1;
        session
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Arc<Session<T>>> {
        let session = self.ids.remove(&id)?;
        self.bindings.remove(&session.binding);
        let owner = owner(&session.binding.principal);
        if let Some(count) = self.counts.get_mut(&owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&owner);
            }
        }
        Some(session)
    }

    pub(super) fn remove_where(&mut self, meant: impl Fn(&Session<T>) -> bool) -> Vec<Arc<Session<T>>> {
        let ids: Vec<_> = self.ids.values().filter(|session| meant(session)).map(|session| session.id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}
