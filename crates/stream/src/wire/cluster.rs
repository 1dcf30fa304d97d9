//! Clusters.

use std::sync::Arc;

use prost::Message;
use snapshot::EndpointState;

use super::key::Address;
use super::route::Backend;
use super::{Malformed, read_part, required, tls};

/// One backend port and its endpoints: the body of a cluster's part.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Cluster {
    #[prost(message, optional, tag = "1")]
    name: Option<Backend>,
    #[prost(message, repeated, tag = "2")]
    endpoints: Vec<Endpoint>,
    #[prost(message, optional, tag = "3")]
    tls: Option<tls::Backend>,
}

/// One address of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Endpoint {
    #[prost(message, optional, tag = "1")]
    address: Option<Address>,
    /// 1 ready, 2 unready, 3 draining.
    #[prost(uint32, tag = "2")]
    state: u32,
}

/// The oldest schema that can say all of `cluster`.
pub(crate) fn schema(_cluster: &snapshot::Cluster) -> u32 {
    1
}

/// The body of its part.
pub(crate) fn write(cluster: &snapshot::Cluster) -> Vec<u8> {
    let endpoint = |endpoint: &snapshot::Endpoint| Endpoint {
        address: Some(Address::of(&endpoint.address)),
        state: match endpoint.state {
            EndpointState::Ready => 1,
            EndpointState::Unready => 2,
            EndpointState::Draining => 3,
        },
    };
    let message = Cluster {
        name: Some(Backend::of(&cluster.name)),
        endpoints: cluster.endpoints.iter().map(endpoint).collect(),
        tls: cluster.tls.as_deref().map(tls::Backend::of),
    };
    message.encode_to_vec()
}

/// Reads the body of a part.
pub(crate) fn read(body: &[u8]) -> Result<snapshot::Cluster, Malformed> {
    let message: Cluster = read_part(body)?;
    let endpoint = |endpoint: Endpoint| {
        Ok(snapshot::Endpoint {
            address: required(endpoint.address, "endpoint.address")?.read()?,
            state: match endpoint.state {
                1 => EndpointState::Ready,
                2 => EndpointState::Unready,
                3 => EndpointState::Draining,
                _ => return Err(Malformed::Field("endpoint.state")),
            },
        })
    };
    Ok(snapshot::Cluster {
        name: required(message.name, "cluster.name")?.read()?,
        endpoints: message.endpoints.into_iter().map(endpoint).collect::<Result<_, Malformed>>()?,
        tls: message.tls.map(tls::Backend::read).transpose()?.map(Arc::new),
    })
}
