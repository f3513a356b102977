//! How large a message and its parts may be.

/// The sizes that a message must keep. Bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A message of a client.
    pub message: usize,
    /// A message of a server.
    pub result: usize,
    /// Levels of objects and arrays; at most [`Bounds::DEEPEST`] whatever is asked for.
    pub nesting: usize,
    /// Members of one object.
    pub members: usize,
    /// Values in a message, keys not counted.
    pub values: usize,
    /// One string or key of a client's message, as it stands in the source.
    pub text: usize,
}

impl Bounds {
    /// The deepest nesting that can be configured.
    pub const DEEPEST: usize = 256;
    /// The longest name of a tool or prompt in a request.
    pub const NAME: usize = 128;
    /// The longest address of a resource.
    pub const URI: usize = 8 * 1024;
    /// The longest method.
    pub const METHOD: usize = 128;
    /// The longest id that is a string.
    pub const ID: usize = 256;
    /// The longest name in a server's definition; longer than [`Self::NAME`] it is listed shortened.
    pub const DEFINITION_NAME: usize = 1024;
    /// The most values of one completion.
    pub const COMPLETIONS: usize = 100;
    /// The most questions of a server in one modern result, and the most answers of a client in one modern request.
    pub const QUESTIONS: usize = 64;
    /// The longest state that a modern server hands out between its questions and their answers.
    pub const STATE: usize = 64 * 1024;
}

impl Default for Bounds {
    fn default() -> Self {
        Self { message: 4 << 20, result: 16 << 20, nesting: 64, members: 10_000, values: 100_000, text: 1 << 20 }
    }
}
