//! What a server is made of: the executable, the package tree or the address that was approved.

use crate::Registry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let wrong = || serde::de::Error::custom("a digest is `sha256:` and 64 hexadecimal digits");
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
        Ok(Self(bytes))
    }
}

/// Where a server comes from, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// One executable file.
    Executable {
        /// Its resolved path.
        path: String,
        /// The digest of its bytes.
        digest: Digest,
        /// The argument vector after the executable.
        arguments: Vec<String>,
    },
    /// An interpreter or launcher with a package tree.
    Tree {
        /// The resolved path of what is started.
        path: String,
        /// The digest of its bytes.
        digest: Digest,
        /// The argument vector after the executable.
        arguments: Vec<String>,
        /// The root of the tree.
        root: String,
        /// The digest over all files of the tree, in order of their paths.
        tree: Digest,
        /// How many files it has.
        files: u64,
    },
    /// A package of a registry, installed into a tree of its own.
    Package(Package),
    /// An image of containers.
    Image {
        /// Its registry, name and digest: `registry/name@sha256:…`. The digest is that of its manifest, which names every layer by digest.
        image: String,
        /// The words behind it.
        arguments: Vec<String>,
    },
    /// A server elsewhere.
    Remote {
        /// Its address.
        url: String,
        /// How messages go there and back.
        #[serde(default, skip_serializing_if = "Transport::is_streamable")]
        transport: Transport,
        /// The pinned keys, `sha256/` and base64 of the subject public key info.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spki: Vec<String>,
    },
}

/// How messages go to a server over HTTP and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// Streamable HTTP: what answers a message comes with the answer to its request.
    #[default]
    #[serde(rename = "http")]
    Streamable,
    /// HTTP+SSE of revision 2024-11-05: everything comes on one stream.
    #[serde(rename = "sse")]
    OneStream,
}

impl Transport {
    /// Whether it is the one of today, which goes without saying.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
    fn is_streamable(&self) -> bool {
        *self == Self::Streamable
    }
}

/// An installed package: what the line of a package runner was resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Where it is from.
    pub registry: Registry,
    /// Its name.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// What the registry says that its archive is: `sha512-…` of npm, `sha256:…` of PyPI.
    pub integrity: String,
    /// The runner line that it stands for.
    pub run: Vec<String>,
    /// The resolved path of what is started instead: an interpreter, or the package's own executable.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The argument vector after it.
    pub arguments: Vec<String>,
    /// The root of the tree.
    pub root: String,
    /// The digest over all files of the tree, dependencies included, in order of their paths.
    pub tree: Digest,
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Package {
    /// Registry, name, version and size, for a person.
    pub fn title(&self) -> String {
        let Self { registry, name, version, files, bytes, .. } = self;
        let tenths = bytes.saturating_mul(10) >> 20;
        format!("{registry} package {name} {version}, {}.{} MiB in {files} files", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Executable { path, digest, arguments } => write!(out, "{path} {} ({digest})", arguments.join(" ")),
            Self::Tree { path, digest, arguments, root, tree, files } => {
                write!(out, "{path} {} ({digest}), {files} files in {root} ({tree})", arguments.join(" "))
            }
            Self::Package(package) => {
                let Package { integrity, path, digest, arguments, root, tree, .. } = package;
                let title = package.title();
                write!(out, "{title} ({integrity}), in {root} ({tree}), started as {path} {} ({digest})", arguments.join(" "))
            }
            Self::Image { image, arguments } => write!(out, "image {image} {}", arguments.join(" ")),
            Self::Remote { url, transport, spki } => {
                out.write_str(url)?;
                if *transport == Transport::OneStream {
                    out.write_str(" over HTTP+SSE")?;
                }
                if spki.is_empty() { Ok(()) } else { write!(out, " (keys {})", spki.join(", ")) }
            }
        }
    }
}
