//! Templates of prompts that were approved, with a version and a digest.

use crate::decode::{choice, section};

section! {
    /// What a prompt has to be, with its arguments in their places.
    Prompt {
        /// Its version, by your own count; on record with every use.
        version, "version": String;
        /// SHA-256 of its messages in hexadecimal; where it stands, it has to be true.
        digest, "digest": Option<String> = None;
        /// Its messages.
        messages, "messages": Vec<PromptMessage>;
    }
}

section! {
    /// One message of a prompt.
    PromptMessage {
        /// Whose it is.
        role, "role": PromptRole = PromptRole::User;
        /// Its text, with `{{argument}}` where an argument stands.
        text, "text": String;
    }
}

choice! {
    /// Whose a message is.
    PromptRole {
        /// The user's.
        User = "user",
        /// The model's.
        Assistant = "assistant",
    }
}
