//! Machines that are not Linux: nothing here can confine a server, so none is started. Servers elsewhere are reached all the same.

/// Why no local server starts here.
const NOT_HERE: &str = "this machine is not Linux, and there is no sandbox for local servers on it; servers with a `url` work";

pub(crate) mod helper {
    /// The first argument of the binary when it is the helper.
    pub const ARGUMENT: &str = "__sandbox";

    /// Ends the process: there is no helper here.
    pub fn enter() -> ! {
        std::process::exit(125)
    }

    /// No profile: nothing is started that it could be for.
    pub(crate) const fn profile() -> Option<serde_json::Value> {
        None
    }
}

pub(crate) mod launch {
    use crate::outcome::{Ended, Grace};
    use crate::process::Meter;
    use crate::running::Running;
    use crate::{Error, Spec};
    use std::convert::Infallible;

    /// A server's life.
    #[derive(Debug)]
    pub struct Process(Infallible);

    /// Refuses.
    ///
    /// # Errors
    /// [`Error::Elsewhere`].
    pub async fn launch(spec: &Spec) -> Result<Running, Error> {
        let _ = &spec.container;
        Err(Error::Elsewhere(super::NOT_HERE))
    }

    impl Process {
        /// The server's process id.
        pub fn pid(&self) -> u32 {
            match self.0 {}
        }

        /// What tells how much it takes up.
        pub fn meter(&self) -> Meter {
            match self.0 {}
        }

        /// Waits for its end.
        ///
        /// # Errors
        /// None: there is no such process.
        pub async fn wait(&mut self) -> Result<Ended, Error> {
            match self.0 {}
        }

        /// Ends it.
        ///
        /// # Errors
        /// None: there is no such process.
        pub async fn end(&mut self, _: Grace) -> Result<Ended, Error> {
            match self.0 {}
        }

        /// Kills it.
        ///
        /// # Errors
        /// None: there is no such process.
        pub async fn kill(&mut self) -> Result<Ended, Error> {
            match self.0 {}
        }
    }
}

pub(crate) mod observe {
    use crate::outcome::Seen;
    use std::convert::Infallible;

    /// Notes what a server asks for.
    #[derive(Clone, Debug)]
    pub struct Observer(Infallible);

    impl Observer {
        /// What was asked for until now.
        pub fn seen(&self) -> Seen {
            match self.0 {}
        }
    }
}

pub(crate) mod probe {
    use crate::layer::Layer;
    use std::io;

    /// What came of trying every layer.
    pub(crate) struct Attempts;

    impl Attempts {
        /// Why a layer cannot be had.
        pub(crate) const fn reason(&self, _: Layer) -> Option<&str> {
            Some(super::NOT_HERE)
        }
    }

    /// Every layer is missing.
    pub(crate) const fn attempts_now() -> io::Result<&'static Attempts> {
        Ok(&Attempts)
    }
}

pub(crate) mod process {
    use crate::outcome::Usage;
    use std::convert::Infallible;

    /// Tells what a server takes up.
    #[derive(Clone, Copy, Debug)]
    pub struct Meter(Infallible);

    impl Meter {
        /// What it takes up now.
        pub fn usage(self) -> Usage {
            match self.0 {}
        }
    }
}

pub(crate) mod scratch {
    use crate::outcome::{Kept, Most};
    use std::convert::Infallible;
    use std::path::Path;

    /// The private places of one server.
    #[derive(Debug)]
    pub struct Scratch(Infallible);

    impl Scratch {
        /// Copies what is there.
        ///
        /// # Errors
        /// None: there is no such place.
        pub fn keep(&self, _: &Path, _: Most) -> std::io::Result<Kept> {
            match self.0 {}
        }
    }
}
