//! A server from an image: Podman, run by the helper, with the restrictions that the launcher puts on by itself elsewhere.
//!
//! Podman makes the namespaces and the root, so the helper takes nothing away from it, ends what it leaves behind, and closes descriptors. An
//! image is named by its digest and must be there: nothing is fetched when a server starts. What Podman keeps of a container is removed with
//! the server's end, whatever ended it, and what an earlier gateway left at the next start.

mod engine;

pub use engine::Engine;
#[cfg(target_os = "linux")]
pub(crate) use engine::Remains;

use crate::account::{BLOCK, block};
use crate::layer::{Layer, Layers};
use crate::spec::{Access, Folder, Limits, Network, Spec};
use crate::{Environment, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use terms::{Secret, Utc};

/// Who a server in a container is.
const INSIDE: &str = "1000:1000";
/// Variables that mean something to Podman itself, or to what loads it: by their beginnings.
const OWN: [&str; 20] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_",
    "GODEBUG",
    "GOGC",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOTRACEBACK",
    "SSL_",
    "XDG_",
    "DBUS_",
    "CONTAINER",
    "_CONTAINER",
    "PODMAN",
    "STORAGE_",
    "BUILDAH",
    "DOCKER",
    "REGISTRY",
    "NOTIFY",
];

/// An image by its registry, name and digest: `registry/name@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// Checks `text` (OCI distribution specification, "Pulling manifests"). The registry is a host with a dot or a port, or `localhost`: Podman
    /// would look a name without one up in a list of its own.
    ///
    /// # Errors
    /// [`Error::Image`] without a registry or a digest of SHA-256, with a tag, or with a character that no reference has.
    pub fn new(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Image(text.chars().take(300).collect());
        let (name, digest) = text.split_once("@sha256:").ok_or_else(wrong)?;
        let (registry, path) = name.split_once('/').ok_or_else(wrong)?;
        let letters = |text: &str, marks: &[u8]| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || marks.contains(&byte))
                && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        };
        let host = registry == "localhost" || registry.contains(['.', ':']);
        let named = host && letters(registry, b".-:") && path.split('/').all(|part| letters(part, b"._-")) && !name.contains("..");
        let digested = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if named && digested && name.len() <= 255 { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// With whose rights Podman runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of root: each container gets accounts that no other one has.
    Root,
    /// Those of an account without rights: the server is that account, in a user namespace of its own.
    Rootless,
}

/// A folder of a server in a container, its links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    from: PathBuf,
    folder: Folder,
}

impl Mount {
    /// `folder` with what it leads to now.
    ///
    /// # Errors
    /// [`Error::Folder`] when it leads nowhere.
    pub fn of(folder: &Folder) -> Result<Self, Error> {
        let from = folder.path.canonicalize().map_err(|cause| Error::Folder { path: folder.path.clone(), cause })?;
        Ok(Self { from, folder: folder.clone() })
    }
}

/// A server from an image.
#[derive(Debug)]
pub struct Container {
    /// A name that no other container has, see [`name`].
    pub name: String,
    /// The server's own name, by which its accounts are told from others.
    pub server: String,
    /// The image.
    pub image: Reference,
    /// The words behind the image: what is run in it, or what its entry point is given; empty: what the image says.
    pub command: Vec<String>,
    /// Plain variables.
    pub plain: Vec<(String, String)>,
    /// Credentials by the names of their variables. They are not among Podman's arguments; Podman keeps them with the container as long as that lives.
    pub sealed: Vec<(String, Secret<String>)>,
    /// Its limits.
    pub limits: Limits,
    /// The folders that it was given.
    pub mounts: Vec<Mount>,
    /// What no folder of it may hold or lie in.
    pub private: Vec<PathBuf>,
    /// What it has of the network.
    pub network: Network,
}

/// A name for a container of `server` that no other one has, on this machine and at any time.
pub fn name(server: &str, now: Utc) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("bastide-{server}-{}-{}-{}", std::process::id(), now.nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Container {
    /// What the helper starts.
    ///
    /// # Errors
    /// [`Error::Variable`] for a name of Podman's own among the credentials; [`Error::Command`] for a folder that cannot be passed on;
    /// [`Error::ContainerDoors`].
    pub fn spec(self, engine: &Arc<Engine>) -> Result<Spec, Error> {
        let args = self.arguments(Verb::Run, engine)?;
        let mut spec = Spec::new(engine.program().to_owned());
        spec.args = args;
        spec.env = Environment::minimal();
        for (name, value) in engine.environment() {
            spec.env.set(name, value.clone())?;
        }
        for (name, value) in self.sealed {
            if OWN.iter().any(|own| name.starts_with(own)) {
                return Err(Error::Variable(name));
            }
            spec.env.seal(&name, value)?;
        }
        // The helper gives no folder to Podman, and refuses those that no server is given.
        spec.folders = self.mounts.into_iter().map(|mount| mount.folder).collect();
        spec.private = self.private;
        spec.limits = Limits { memory_bytes: None, cpu_cores: None, ..self.limits };
        spec.layers = Layers::NONE.with(Layer::Descriptors);
        if let Network::Doors { .. } = &self.network {
            spec.layers = spec.layers.with(Layer::Network);
        }
        spec.network = self.network;
        spec.container = Some((Arc::clone(engine), self.name));
        Ok(spec)
    }

    fn arguments(&self, verb: Verb, engine: &Engine) -> Result<Vec<String>, Error> {
        let mut args = vec![verb.as_str().to_owned()];
        args.extend(FIXED.iter().map(|word| (*word).to_owned()));
        args.push(format!("--name={}", self.name));
        args.push(format!("--label={}", engine.label()));
        args.push(format!("--security-opt=seccomp={}", engine.profile().to_str().ok_or(Error::Command)?));
        match engine.rights() {
            Rights::Root => {
                let from = block(engine.state(), &self.server);
                let processes = self.limits.processes;
                args.extend([format!("--uidmap=0:{from}:{BLOCK}"), format!("--gidmap=0:{from}:{BLOCK}"), format!("--user={INSIDE}")]);
                // Its accounts are nobody else's, so that its processes can be counted by them, too.
                args.push(format!("--ulimit=nproc={processes}:{processes}"));
            }
            Rights::Rootless => args.push("--userns=keep-id".to_owned()),
        }
        match (&self.network, engine.rights()) {
            (Network::Closed, Rights::Root | Rights::Rootless) => args.push("--network=none".to_owned()),
            // The host's for Podman is the one that the helper made for it, which has doors and no route.
            (Network::Doors { .. }, Rights::Root) => args.extend(["--network=host".to_owned(), "--dns=127.0.0.53".to_owned()]),
            (Network::Doors { .. }, Rights::Rootless) => return Err(Error::ContainerDoors),
        }
        let Limits { memory_bytes, cpu_cores, processes, files, file_bytes } = self.limits;
        if let Some(bytes) = memory_bytes {
            // The same for memory and swap together: no swap.
            args.extend([format!("--memory={bytes}b"), format!("--memory-swap={bytes}b")]);
        }
        if let Some(cores) = cpu_cores {
            args.push(format!("--cpus={cores}"));
        }
        args.push(format!("--pids-limit={processes}"));
        args.push(format!("--ulimit=nofile={files}:{files}"));
        args.push(format!("--ulimit=fsize={file_bytes}:{file_bytes}"));
        args.push("--ulimit=core=0:0".to_owned());
        for folder in &self.mounts {
            args.push(mount(folder)?);
        }
        args.extend(self.plain.iter().map(|(name, value)| format!("--env={name}={value}")));
        args.extend(self.sealed.iter().map(|(name, _)| format!("--env={name}")));
        // No word of the image or the command is an option.
        args.extend(["--".to_owned(), self.image.as_str().to_owned()]);
        args.extend(self.command.iter().cloned());
        Ok(args)
    }
}

/// What Podman is told to do with a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Make it and run it.
    Run,
    /// Make it.
    Create,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Create => "create",
        }
    }
}

/// What every container is started with (podman-run(1)).
const FIXED: [&str; 20] = [
    "--rm",
    "--interactive",
    "--pull=never",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=256m,mode=1777,notmpcopyup",
    "--shm-size=64m",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--security-opt=mask=/proc/kallsyms:/sys",
    "--ipc=private",
    "--pid=private",
    "--uts=private",
    "--cgroupns=private",
    "--hostname=sandbox",
    "--http-proxy=false",
    "--image-volume=ignore",
    "--log-driver=none",
    "--no-hosts",
    "--systemd=false",
];

/// A folder at its own place, without devices and set-user-id, and no other mounts below it.
fn mount(mount: &Mount) -> Result<String, Error> {
    let text = |path: &Path| {
        let plain = path.to_str().filter(|path| Path::new(path).is_absolute() && !path.contains([',', '\0', '"', '\n']));
        plain.map(str::to_owned).ok_or(Error::Command)
    };
    let (from, at) = (text(&mount.from)?, text(&mount.folder.path)?);
    let access = match mount.folder.access {
        Access::Read => "ro=true",
        Access::Write => "ro=false",
    };
    Ok(format!("--mount=type=bind,src={from},dst={at},{access},nosuid,nodev,bind-propagation=private,bind-nonrecursive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(rights: Rights) -> Arc<Engine> {
        Arc::new(Engine::fixed("/usr/bin/podman", rights, "/state", &[("HOME", "/root")]))
    }

    fn given(path: &str, access: Access) -> Mount {
        Mount { from: format!("/real{path}").into(), folder: Folder { path: path.into(), access } }
    }

    fn container() -> Container {
        Container {
            name: "bastide-files-1".into(),
            server: "files".into(),
            image: Reference::new(&format!("docker.io/mcp/files@sha256:{}", "0a".repeat(32))).unwrap(),
            command: vec!["/bin/server".into(), "--privileged".into()],
            plain: vec![("REGION".into(), "eu".into())],
            sealed: vec![("GOOGLE_TOKEN".into(), Secret::new("s3cret".into()))],
            limits: Limits::default(),
            mounts: vec![given("/srv/docs", Access::Read), given("/srv/out", Access::Write)],
            private: Vec::new(),
            network: Network::Closed,
        }
    }

    #[test]
    fn arguments_are_these() {
        let expected = "run\n--rm\n--interactive\n--pull=never\n--read-only\n--read-only-tmpfs=false\n\
            --tmpfs=/tmp:rw,nosuid,nodev,size=256m,mode=1777,notmpcopyup\n--shm-size=64m\n--cap-drop=all\n--security-opt=no-new-privileges\n\
            --security-opt=mask=/proc/kallsyms:/sys\n--ipc=private\n--pid=private\n--uts=private\n--cgroupns=private\n--hostname=sandbox\n\
            --http-proxy=false\n--image-volume=ignore\n--log-driver=none\n--no-hosts\n--systemd=false\n--name=bastide-files-1\n\
            --label=LABEL\n--security-opt=seccomp=/state/podman/seccomp.json\nUSER\nNETWORK\n\
            --memory=536870912b\n--memory-swap=536870912b\n--cpus=1\n--pids-limit=64\n--ulimit=nofile=256:256\n\
            --ulimit=fsize=1073741824:1073741824\n--ulimit=core=0:0\n\
            --mount=type=bind,src=/real/srv/docs,dst=/srv/docs,ro=true,nosuid,nodev,bind-propagation=private,bind-nonrecursive\n\
            --mount=type=bind,src=/real/srv/out,dst=/srv/out,ro=false,nosuid,nodev,bind-propagation=private,bind-nonrecursive\n\
            --env=REGION=eu\n--env=GOOGLE_TOKEN\n--\n\
            docker.io/mcp/files@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\n/bin/server\n--privileged";
        let from = block("/state", "files");
        let user = format!("--uidmap=0:{from}:65536\n--gidmap=0:{from}:65536\n--user=1000:1000\n--ulimit=nproc=64:64");
        let vector = |container: Container, rights: Rights| {
            let engine = engine(rights);
            let spec = container.spec(&engine).unwrap();
            (spec.args.join("\n").replace(engine.label(), "LABEL"), spec)
        };
        let (root, spec) = vector(container(), Rights::Root);
        assert_eq!(root, expected.replace("USER", &user).replace("NETWORK", "--network=none"));
        assert_eq!(spec.layers, Layers::NONE.with(Layer::Descriptors));
        let (rootless, _) = vector(container(), Rights::Rootless);
        assert_eq!(rootless, expected.replace("USER", "--userns=keep-id").replace("NETWORK", "--network=none"));
        let doors = || Container { network: Network::Doors { ports: vec![443] }, ..container() };
        let (outward, spec) = vector(doors(), Rights::Root);
        assert_eq!(outward, expected.replace("USER", &user).replace("NETWORK", "--network=host\n--dns=127.0.0.53"));
        // The host's network would be the gateway's own, were it not left before.
        assert!(spec.layers.has(Layer::Network));
        assert!(matches!(doors().spec(&engine(Rights::Rootless)), Err(Error::ContainerDoors)));
        assert!(!root.contains("s3cret"));
    }

    #[test]
    fn an_image_without_a_registry_or_digest_is_refused() {
        let digest = "0a".repeat(32);
        for good in ["localhost:5000/a/b_c", "docker.io/mcp/time", "localhost/a"] {
            assert!(Reference::new(&format!("{good}@sha256:{digest}")).is_ok(), "{good}");
        }
        let short = &digest[2..];
        for bad in ["docker.io/mcp/files", "docker.io/mcp/files:1.2", &format!("a.b/c@sha256:{short}"), &format!("a.b/c@sha512:{digest}")] {
            assert!(matches!(Reference::new(bad), Err(Error::Image(_))), "{bad}");
        }
        for bad in ["--privileged", "a b", "", "../a", "A", "mcp/files", "files", "a.b/c:1", "a.b/../c", "a.b/", "a.b//c", "a.b/-c"] {
            assert!(Reference::new(&format!("{bad}@sha256:{digest}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_change_podman_itself_is_refused() {
        for name in ["LD_PRELOAD", "CONTAINERS_CONF", "HOME"] {
            let mut container = container();
            container.sealed.push((name.to_owned(), Secret::new("x".into())));
            assert!(matches!(container.spec(&engine(Rights::Root)), Err(Error::Variable(_))), "{name}");
        }
        let mut container = container();
        container.mounts.push(given("/a,dst=/etc", Access::Write));
        assert!(matches!(container.spec(&engine(Rights::Root)), Err(Error::Command)));
    }

    #[test]
    fn names_are_never_the_same() {
        let now = Utc::from_nanos(1);
        assert_ne!(name("a", now), name("a", now));
    }
}
