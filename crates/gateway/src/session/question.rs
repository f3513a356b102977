//! Questions of servers that wait for a client's reply.

use crate::doors::Link;
use mcp::{Id, Method};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use terms::{CallId, ServerName};
use tokio::sync::mpsc;

/// Who waits for the reply to a question.
pub(crate) enum Asker {
    /// The server, under its own id of the question.
    Server(Arc<Link>, Id),
    /// The line, which asks the server anew with all replies together.
    Round {
        /// What the server calls the question.
        key: String,
        /// Where the reply goes, a raw result; none where there is none.
        replies: mpsc::Sender<(String, Option<Vec<u8>>)>,
    },
}

/// One question on its way.
pub struct Question {
    /// What is asked.
    pub method: Method,
    /// Who asks.
    pub server: ServerName,
    /// Who waits for the reply.
    pub(crate) asker: Asker,
    /// The call that it belongs to.
    pub call: Option<CallId>,
}

/// The open questions of a session, by our id of them.
#[derive(Default)]
pub struct Questions {
    next: AtomicI64,
    open: Mutex<HashMap<Id, Question>>,
}

impl Questions {
    /// The most that may wait at once.
    const MOST: usize = 64;

    /// Enters a question and gives our id of it; `None` when too many wait.
    pub fn ask(&self, question: Question) -> Option<Id> {
        let mut open = self.open.lock();
        if open.len() >= Self::MOST {
            return None;
        }
        let id = Id::from(self.next.fetch_add(1, Ordering::Relaxed));
        open.insert(id.clone(), question);
        Some(id)
    }

    /// Whether a question of `link` waits that the server calls `id`.
    pub(crate) fn has(&self, link: &Arc<Link>, id: &Id) -> bool {
        let of = |question: &Question| matches!(&question.asker, Asker::Server(asker, theirs) if Arc::ptr_eq(asker, link) && theirs == id);
        self.open.lock().values().any(of)
    }

    /// Takes out the question that a reply answers.
    pub fn take(&self, id: &Id) -> Option<Question> {
        self.open.lock().remove(id)
    }

    /// What was asked under this id, while it waits.
    pub fn method(&self, id: &Id) -> Option<(Method, ServerName)> {
        self.open.lock().get(id).map(|question| (question.method, question.server.clone()))
    }

    /// Takes out all questions of a call that has ended.
    pub fn withdraw(&self, call: CallId) -> Vec<Question> {
        let mut open = self.open.lock();
        let ids: Vec<Id> = open.iter().filter(|(_, question)| question.call == Some(call)).map(|(id, _)| id.clone()).collect();
        ids.iter().filter_map(|id| open.remove(id)).collect()
    }
}
