//! A snapshot as it travels: every bind and cluster written once, each with its hash.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;
use snapshot::{Bind, BindKey, Cluster, ClusterKey, Snapshot, Transport};

use crate::fleet::Fleet;
use crate::hash::SnapshotHash;
use crate::wire::message::{BindPart, ClusterPart, Full, ToProxy};
use crate::wire::{self, Malformed, key::Key};

/// One bind or cluster, written. `Debug` does not print it: there are private keys inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    schema: u32,
    body: Bytes,
    hash: SnapshotHash,
}

impl Part {
    /// The oldest schema that a reader of it must know.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The message, still bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The hash of key, schema and message.
    pub fn hash(&self) -> SnapshotHash {
        self.hash
    }

    fn of_bind(key: &BindKey, schema: u32, body: Bytes) -> Self {
        let transport: &[u8] = match key.transport {
            Transport::Tcp => b"tcp",
            Transport::Udp => b"udp",
        };
        let ip = match key.address {
            std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let port = key.port.get().to_be_bytes();
        let hash =
            SnapshotHash::of([b"bind", transport, &ip, &port, &schema.to_be_bytes(), &body[..]]);
        Self { schema, body, hash }
    }

    fn of_cluster(key: &ClusterKey, schema: u32, body: Bytes) -> Self {
        let name = key.as_str().as_bytes();
        let hash = SnapshotHash::of([b"cluster", name, &schema.to_be_bytes(), &body[..]]);
        Self { schema, body, hash }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} bytes, {})", self.body.len(), self.hash)
    }
}

/// A snapshot as it travels. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    binds: BTreeMap<BindKey, Part>,
    clusters: BTreeMap<ClusterKey, Part>,
    hash: SnapshotHash,
}

impl Default for Packed {
    fn default() -> Self {
        Self::from_parts(BTreeMap::new(), BTreeMap::new())
    }
}

impl Packed {
    /// Puts parts together and names the whole.
    pub(crate) fn from_parts(
        binds: BTreeMap<BindKey, Part>,
        clusters: BTreeMap<ClusterKey, Part>,
    ) -> Self {
        let counts = [binds.len(), clusters.len()]
            .map(|count| u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
        let hashes = binds.values().chain(clusters.values()).map(|part| &part.hash.as_bytes()[..]);
        let pieces = std::iter::once(&b"snapshot"[..]);
        let pieces = pieces.chain(counts.iter().map(|count| &count[..])).chain(hashes);
        let hash = SnapshotHash::of(pieces);
        Self { binds, clusters, hash }
    }

    /// The same with one bind as somebody else may write it: for tests of what a reader does with a
    /// newer schema, or with a body that it cannot read.
    pub fn with_bind(&self, key: BindKey, schema: u32, body: Vec<u8>) -> Self {
        let mut binds = self.binds.clone();
        binds.insert(key, Part::of_bind(&key, schema, body.into()));
        Self::from_parts(binds, self.clusters.clone())
    }

    /// The same with one cluster as somebody else may write it.
    pub fn with_cluster(&self, key: ClusterKey, schema: u32, body: Vec<u8>) -> Self {
        let mut clusters = self.clusters.clone();
        clusters.insert(key.clone(), Part::of_cluster(&key, schema, body.into()));
        Self::from_parts(self.binds.clone(), clusters)
    }

    /// The name of the content.
    pub fn hash(&self) -> SnapshotHash {
        self.hash
    }

    /// The binds.
    pub fn binds(&self) -> &BTreeMap<BindKey, Part> {
        &self.binds
    }

    /// The clusters.
    pub fn clusters(&self) -> &BTreeMap<ClusterKey, Part> {
        &self.clusters
    }

    /// About the length of it as one message, bytes.
    pub fn len(&self) -> usize {
        // Key, schema and lengths of a part take at most 40 bytes beside the name of a cluster.
        let binds: usize = self.binds.values().map(|part| part.body.len() + 40).sum();
        let names: usize = self.clusters.keys().map(|key| key.as_str().len()).sum();
        let clusters: usize = self.clusters.values().map(|part| part.body.len() + 40).sum();
        binds + names + clusters
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.binds.is_empty() && self.clusters.is_empty()
    }
}

/// Writes a snapshot. What is the same as in `before` is taken from there: an unrelated change
/// writes and hashes nothing but itself.
pub fn pack(snapshot: &Snapshot, before: Option<(&Snapshot, &Packed)>) -> Packed {
    // The sockets of the two address families stand side by side and share what they do.
    let mut last: Option<(&Arc<Bind>, Bytes)> = None;
    let mut binds = BTreeMap::new();
    for (key, bind) in &snapshot.binds {
        let known = before.and_then(|(old, packed)| kept(key, bind, &old.binds, &packed.binds));
        let part = known.unwrap_or_else(|| {
            let body = match &last {
                Some((shared, body)) if Arc::ptr_eq(shared, bind) => body.clone(),
                _ => Bytes::from(wire::bind::write(bind)),
            };
            last = Some((bind, body.clone()));
            Part::of_bind(key, wire::bind::schema(bind), body)
        });
        binds.insert(*key, part);
    }
    let cluster = |(key, cluster): (&ClusterKey, &Arc<Cluster>)| {
        let known =
            before.and_then(|(old, packed)| kept(key, cluster, &old.clusters, &packed.clusters));
        let part = known.unwrap_or_else(|| {
            let body = Bytes::from(wire::cluster::write(cluster));
            Part::of_cluster(key, wire::cluster::schema(cluster), body)
        });
        (key.clone(), part)
    };
    let clusters = snapshot.clusters.iter().map(cluster).collect();
    Packed::from_parts(binds, clusters)
}

/// The part that was written before for an equal value.
fn kept<K: Ord, V: PartialEq>(
    key: &K,
    value: &Arc<V>,
    values: &BTreeMap<K, Arc<V>>,
    parts: &BTreeMap<K, Part>,
) -> Option<Part> {
    let before = values.get(key)?;
    // Equality that stops at the pointer, which is the common case.
    (Arc::ptr_eq(before, value) || before == value).then(|| parts.get(key).cloned())?
}

/// The hash that a snapshot has when it travels.
pub fn hash(snapshot: &Snapshot) -> SnapshotHash {
    pack(snapshot, None).hash()
}

pub(crate) fn bind_part(key: &BindKey, part: &Part) -> BindPart {
    BindPart { key: Some(Key::of(key)), schema: part.schema, body: part.body.clone() }
}

pub(crate) fn cluster_part(key: &ClusterKey, part: &Part) -> ClusterPart {
    ClusterPart { key: key.as_str().to_owned(), schema: part.schema, body: part.body.clone() }
}

/// Reads a part. Its bytes are copied, so that they do not keep the whole message alive.
pub(crate) fn read_bind(part: BindPart) -> Result<(BindKey, Part), Malformed> {
    let key = wire::required(part.key, "bind.key")?.read()?;
    Ok((key, Part::of_bind(&key, part.schema, Bytes::copy_from_slice(&part.body))))
}

pub(crate) fn read_cluster(part: ClusterPart) -> Result<(ClusterKey, Part), Malformed> {
    let key = ClusterKey::new(part.key);
    let part = Part::of_cluster(&key, part.schema, Bytes::copy_from_slice(&part.body));
    Ok((key, part))
}

/// The whole snapshot as a message of the controller.
pub fn write_full(fleet: &Fleet, packed: &Packed) -> Bytes {
    envelope(ToProxy::FULL, &full(fleet, packed))
}

/// A message in its envelope, without writing it twice.
pub(crate) fn envelope(tag: u32, message: &impl Message) -> Bytes {
    let mut bytes = Vec::with_capacity(message.encoded_len() + 16);
    prost::encoding::message::encode(tag, message, &mut bytes);
    bytes.into()
}

pub(crate) fn full(fleet: &Fleet, packed: &Packed) -> Full {
    Full {
        fleet: fleet.as_str().to_owned(),
        hash: Bytes::copy_from_slice(packed.hash.as_bytes()),
        binds: packed.binds.iter().map(|(key, part)| bind_part(key, part)).collect(),
        clusters: packed.clusters.iter().map(|(key, part)| cluster_part(key, part)).collect(),
    }
}

/// Why a whole snapshot is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no snapshot.
    #[error("not a snapshot")]
    Malformed(#[from] Malformed),
    /// It is another fleet's.
    #[error("of fleet {0:?}, expected {1}")]
    OtherFleet(String, Fleet),
    /// Its bytes have another hash than it says.
    #[error("its hash is not the one it names")]
    Hash,
}

/// Reads a whole snapshot. Every part is still bytes, and all have the hash that the message names.
pub(crate) fn read_full(fleet: &Fleet, message: Full) -> Result<Packed, Unfit> {
    if message.fleet != fleet.as_str() {
        return Err(Unfit::OtherFleet(message.fleet.chars().take(512).collect(), fleet.clone()));
    }
    let binds = message.binds.into_iter().map(read_bind).collect::<Result<_, _>>()?;
    let clusters = message.clusters.into_iter().map(read_cluster).collect::<Result<_, _>>()?;
    let packed = Packed::from_parts(binds, clusters);
    if packed.hash.as_bytes()[..] != message.hash[..] {
        return Err(Unfit::Hash);
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use snapshot::tls::PrivateKey;
    use snapshot::{BackendTls, Cluster, TlsIdentity, TrustRoots};

    use super::*;

    #[test]
    fn nothing_prints_a_key() {
        let identity = TlsIdentity {
            name: String::new(),
            fingerprint: String::new(),
            dns_names: Vec::new(),
            not_after: 0,
            chain: Vec::new(),
            key: PrivateKey::from_der(vec![b'K'; 64]),
        };
        let tls = BackendTls {
            server_name: String::new(),
            subject_names: Vec::new(),
            roots: TrustRoots::System,
            identity: Some(Arc::new(identity)),
        };
        let cluster =
            Cluster { name: Arc::default(), endpoints: Vec::new(), tls: Some(Arc::new(tls)) };
        let mut snapshot = Snapshot::default();
        snapshot.clusters.insert(ClusterKey::new("c"), Arc::new(cluster));
        let packed = pack(&snapshot, None);
        let fleet = Fleet::new("f");
        let bytes = write_full(&fleet, &packed);
        assert!(bytes.windows(64).any(|window| window == [b'K'; 64]), "the key does travel");
        let body = wire::read_part::<wire::cluster::Cluster>(
            packed.clusters[&ClusterKey::new("c")].body(),
        );
        let printed = format!(
            "{packed:?} {:?} {:?} {body:?} {:?}",
            full(&fleet, &packed),
            ToProxy::decode(bytes),
            crate::delta::delta(&Packed::default(), &packed),
        );
        assert!(printed.contains("Identity"), "{printed}");
        assert!(!printed.contains("KK") && !printed.contains("75, 75"), "{printed}");
    }
}
