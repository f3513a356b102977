//! A server from an image: Podman, run by the helper, with the restrictions that the launcher puts on by itself elsewhere.
//!
//! Podman makes the namespaces, the root and the filter of system calls, so the helper takes nothing away from it, ends what it leaves behind,
//! and closes descriptors. An image is named by its digest and must be there: nothing is fetched when a server starts.

use crate::layer::{Layer, Layers};
use crate::spec::{Access, Folder, Limits, Spec};
use crate::{Environment, Error};
use std::path::{Path, PathBuf};
use terms::Secret;

/// Who a server in a container is.
const INSIDE: &str = "1000:1000";
/// Variables that mean something to Podman itself, or to what loads it: by their beginnings.
const OWN: [&str; 16] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_",
    "GO",
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

/// An image by its digest: `registry/name@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// Checks `text` (OCI distribution specification, "Pulling manifests").
    ///
    /// # Errors
    /// [`Error::Image`] when it has no digest of SHA-256, or a character that no reference has.
    pub fn new(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Image(text.to_owned());
        let (name, digest) = text.split_once("@sha256:").ok_or_else(wrong)?;
        let named = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./_-:".contains(&byte))
            && !name.contains("..")
            && name.len() <= 255;
        let digested = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if named && digested { Ok(Self(text.to_owned())) } else { Err(wrong()) }
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

/// A server from an image.
#[derive(Debug)]
pub struct Container {
    /// Podman, by its absolute path.
    pub podman: PathBuf,
    /// A name that no other container has.
    pub name: String,
    /// The image.
    pub image: Reference,
    /// What is run in it with which arguments; empty: what the image says.
    pub command: Vec<String>,
    /// Plain variables.
    pub plain: Vec<(String, String)>,
    /// Credentials by the names of their variables. They are not among Podman's arguments.
    pub sealed: Vec<(String, Secret<String>)>,
    /// Its limits.
    pub limits: Limits,
    /// The folders that it was given.
    pub folders: Vec<Folder>,
}

impl Container {
    /// What the helper starts. `environment` is what Podman itself needs, such as `HOME`.
    ///
    /// # Errors
    /// [`Error::Variable`] for a name of Podman's own among `sealed`; [`Error::Command`] for a folder that cannot be passed on.
    pub fn spec(self, rights: Rights, environment: &[(&str, &str)]) -> Result<Spec, Error> {
        let args = self.arguments(rights)?;
        let mut spec = Spec::new(self.podman);
        spec.args = args;
        spec.env = Environment::minimal();
        for (name, value) in environment {
            spec.env.set(name, (*value).to_owned())?;
        }
        for (name, value) in self.sealed {
            if OWN.iter().any(|own| name.starts_with(own)) {
                return Err(Error::Variable(name));
            }
            spec.env.seal(&name, value)?;
        }
        spec.layers = Layers::NONE.with(Layer::Descriptors);
        Ok(spec)
    }

    fn arguments(&self, rights: Rights) -> Result<Vec<String>, Error> {
        let mut args: Vec<String> = FIXED.iter().map(|word| (*word).to_owned()).collect();
        args.push(format!("--name={}", self.name));
        match rights {
            // Its account is nobody else's, so that its processes can be counted by the account, too.
            Rights::Root => {
                let processes = self.limits.processes;
                args.extend(["--userns=auto".to_owned(), format!("--user={INSIDE}"), format!("--ulimit=nproc={processes}:{processes}")]);
            }
            Rights::Rootless => args.push("--userns=keep-id".to_owned()),
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
        for folder in &self.folders {
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

/// What every container is started with (podman-run(1)).
const FIXED: [&str; 22] = [
    "run",
    "--rm",
    "--interactive",
    "--pull=never",
    "--network=none",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=256m,mode=1777",
    "--shm-size=64m",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--security-opt=mask=/proc/kallsyms",
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
fn mount(folder: &Folder) -> Result<String, Error> {
    let path = folder
        .path
        .to_str()
        .filter(|path| Path::new(path).is_absolute() && !path.contains([',', '\0', '"', '\n']))
        .ok_or(Error::Command)?;
    let access = match folder.access {
        Access::Read => "ro=true",
        Access::Write => "ro=false",
    };
    Ok(format!("--mount=type=bind,src={path},dst={path},{access},nosuid,nodev,bind-propagation=private,bind-nonrecursive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container {
            podman: "/usr/bin/podman".into(),
            name: "bastide-files-1".into(),
            image: Reference::new(&format!("docker.io/mcp/files@sha256:{}", "0a".repeat(32))).unwrap(),
            command: vec!["/bin/server".into(), "--privileged".into()],
            plain: vec![("REGION".into(), "eu".into())],
            sealed: vec![("TOKEN".into(), Secret::new("s3cret".into()))],
            limits: Limits::default(),
            folders: vec![
                Folder { path: "/srv/docs".into(), access: Access::Read },
                Folder { path: "/srv/out".into(), access: Access::Write },
            ],
        }
    }

    #[test]
    fn arguments_are_these() {
        let expected = "run\n--rm\n--interactive\n--pull=never\n--network=none\n--read-only\n--read-only-tmpfs=false\n\
            --tmpfs=/tmp:rw,nosuid,nodev,size=256m,mode=1777\n--shm-size=64m\n--cap-drop=all\n--security-opt=no-new-privileges\n\
            --security-opt=mask=/proc/kallsyms\n--ipc=private\n--pid=private\n--uts=private\n--cgroupns=private\n--hostname=sandbox\n\
            --http-proxy=false\n--image-volume=ignore\n--log-driver=none\n--no-hosts\n--systemd=false\n--name=bastide-files-1\nUSER\n\
            --memory=536870912b\n--memory-swap=536870912b\n--cpus=1\n--pids-limit=64\n--ulimit=nofile=256:256\n\
            --ulimit=fsize=1073741824:1073741824\n--ulimit=core=0:0\n\
            --mount=type=bind,src=/srv/docs,dst=/srv/docs,ro=true,nosuid,nodev,bind-propagation=private,bind-nonrecursive\n\
            --mount=type=bind,src=/srv/out,dst=/srv/out,ro=false,nosuid,nodev,bind-propagation=private,bind-nonrecursive\n\
            --env=REGION=eu\n--env=TOKEN\n--\n\
            docker.io/mcp/files@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\n/bin/server\n--privileged";
        let root = container().arguments(Rights::Root).unwrap().join("\n");
        assert_eq!(root, expected.replace("USER", "--userns=auto\n--user=1000:1000\n--ulimit=nproc=64:64"));
        let rootless = container().arguments(Rights::Rootless).unwrap().join("\n");
        assert_eq!(rootless, expected.replace("USER", "--userns=keep-id"));
        assert!(!root.contains("s3cret"));
    }

    #[test]
    fn an_image_without_a_digest_is_refused() {
        let digest = "0a".repeat(32);
        assert!(Reference::new(&format!("localhost:5000/a/b_c@sha256:{digest}")).is_ok());
        let short = &digest[2..];
        for bad in ["mcp/files", "mcp/files:1.2", &format!("mcp/files@sha256:{short}"), &format!("mcp/files@sha512:{digest}")] {
            assert!(matches!(Reference::new(bad), Err(Error::Image(_))), "{bad}");
        }
        for bad in ["--privileged", "a b", "", "../a", "A"] {
            assert!(Reference::new(&format!("{bad}@sha256:{digest}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_change_podman_itself_is_refused() {
        for name in ["LD_PRELOAD", "CONTAINERS_CONF", "HOME"] {
            let mut container = container();
            container.sealed.push((name.to_owned(), Secret::new("x".into())));
            assert!(matches!(container.spec(Rights::Root, &[]), Err(Error::Variable(_))), "{name}");
        }
        let mut container = container();
        container.folders.push(Folder { path: "/a,dst=/etc".into(), access: Access::Write });
        assert!(matches!(container.spec(Rights::Root, &[]), Err(Error::Command)));
    }
}
