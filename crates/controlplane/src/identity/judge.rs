//! Whose proxy a pod is. Pure: what the API server said comes in.
//!
//! The chain has to close: the ServiceAccount was provisioned for a Gateway that exists, the pod
//! runs as it, and the pod's ReplicaSet belongs to the Deployment that was provisioned for the same
//! Gateway. Whoever can make pods in a Gateway's namespace can forge the end of that chain: this is
//! no wall between people of one namespace, and the documentation says so.

use gwapi::objects::ByKey;
use gwapi::{Gateway, ObjectKey};
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use kube::core::DynamicObject;

use crate::owned::{Owned, OwnedKind, ProxyPod};

/// The extra of a user that names the pod that a token is bound to (KEP-1205).
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// The extra of a user with that pod's UID.
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Why a token is not that of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None was shown.
    #[error("no token")]
    NoToken,
    /// Something else was shown.
    #[error("not a ServiceAccount token")]
    NotAToken,
    /// It is meant for somebody else.
    #[error("a token for another audience than tidegate.dev/controller")]
    OtherAudience,
    /// It has ended.
    #[error("an expired token")]
    Expired,
    /// The API server does not know it, or not any more.
    #[error("the API server does not accept the token: {0}")]
    NotAuthenticated(String),
    /// It is that of a user who is no ServiceAccount.
    #[error("not the token of a ServiceAccount")]
    NotAServiceAccount,
    /// It was not made for a pod.
    #[error("the token of ServiceAccount {0} is not bound to a Pod")]
    NotBound(ObjectKey),
    /// The ServiceAccount was not provisioned for a Gateway.
    #[error("ServiceAccount {0} is not that of a Gateway's proxies")]
    NotProvisioned(ObjectKey),
    /// Its Gateway is gone, or it is one of the same name that was made anew.
    #[error("Gateway {0} of the ServiceAccount does not exist")]
    NoGateway(ObjectKey),
    /// The pod is gone.
    #[error("Pod {0} does not exist")]
    NoPod(ObjectKey),
    /// Another pod has that name.
    #[error("Pod {0} is another one than the token was made for")]
    OtherPod(ObjectKey),
    /// The pod runs as somebody else.
    #[error("Pod {0} runs as ServiceAccount {1}")]
    OtherAccount(ObjectKey, String),
    /// The pod was made by something else than the Gateway's Deployment.
    #[error("Pod {0} is not one of the Deployment that was made for Gateway {1}")]
    NotOfDeployment(ObjectKey, ObjectKey),
}

/// Who holds a token, as the API server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Namespace of the ServiceAccount and the pod.
    pub namespace: String,
    /// Name of the ServiceAccount.
    pub account: String,
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: String,
}

impl Holder {
    /// Reads the answer to a TokenReview for `audience`.
    ///
    /// # Errors
    /// The token is not that of a pod's ServiceAccount, or not for this audience.
    pub fn read(status: &TokenReviewStatus, audience: &str) -> Result<Self, Refusal> {
        if status.authenticated != Some(true) {
            let error = status.error.as_deref().unwrap_or("not authenticated");
            return Err(Refusal::NotAuthenticated(error.chars().take(200).collect()));
        }
        // A server that knows no audiences leaves the list empty: that is no confirmation.
        if !status.audiences.iter().flatten().any(|confirmed| confirmed == audience) {
            return Err(Refusal::OtherAudience);
        }
        let user = status.user.clone().unwrap_or_default();
        let name = user.username.unwrap_or_default();
        let account = name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'))
            .filter(|(namespace, account)| {
                !namespace.is_empty() && !account.is_empty() && !account.contains(':')
            })
            .ok_or(Refusal::NotAServiceAccount)?;
        let extra = |key: &str| match user.extra.as_ref()?.get(key)?.as_slice() {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        };
        let unbound = || Refusal::NotBound(ObjectKey::new(account.0, account.1));
        Ok(Self {
            namespace: account.0.to_owned(),
            account: account.1.to_owned(),
            pod_name: extra(POD_NAME).ok_or_else(unbound)?,
            pod_uid: extra(POD_UID).ok_or_else(unbound)?,
        })
    }
}

/// What controls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Owner {
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// Everything that decides.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Who holds the token.
    pub holder: &'a Holder,
    /// The pod of that name.
    pub pod: &'a ProxyPod,
    /// What controls the pod's ReplicaSet.
    pub deployment: Option<&'a Owner>,
    /// What was provisioned.
    pub owned: &'a Owned,
    /// The Gateways there are.
    pub gateways: &'a ByKey<Gateway>,
}

/// The Gateway whose proxy the holder is.
///
/// # Errors
/// It is none, or one of a Gateway that is gone.
pub fn judge(evidence: &Evidence<'_>) -> Result<ObjectKey, Refusal> {
    let Evidence { holder, pod, deployment, owned, gateways } = evidence;
    let pod_key = ObjectKey::new(holder.namespace.as_str(), holder.pod_name.as_str());
    let account_key = ObjectKey::new(holder.namespace.as_str(), holder.account.as_str());
    let account = owned.objects.get(&(OwnedKind::ServiceAccount, account_key.clone()));
    let (gateway, gateway_uid) = account
        .and_then(|account| gateway_of(account))
        .ok_or(Refusal::NotProvisioned(account_key))?;
    let live = gateways.get(&gateway).and_then(|gateway| gateway.metadata.uid.as_deref());
    if live != Some(gateway_uid) {
        return Err(Refusal::NoGateway(gateway));
    }
    if pod.uid != holder.pod_uid {
        return Err(Refusal::OtherPod(pod_key));
    }
    if pod.service_account != holder.account {
        return Err(Refusal::OtherAccount(pod_key, pod.service_account.clone()));
    }
    let is_of_gateway =
        deployment.filter(|owner| owner.kind == "Deployment").is_some_and(|owner| {
            let key = ObjectKey::new(holder.namespace.as_str(), owner.name.as_str());
            let deployment = owned.objects.get(&(OwnedKind::Deployment, key));
            deployment.is_some_and(|deployment| {
                deployment.metadata.uid.as_ref() == Some(&owner.uid)
                    && gateway_of(deployment) == Some((gateway.clone(), gateway_uid))
            })
        });
    if !is_of_gateway {
        return Err(Refusal::NotOfDeployment(pod_key, gateway));
    }
    Ok(gateway)
}

/// The Gateway that an object was provisioned for, and its UID.
fn gateway_of(object: &DynamicObject) -> Option<(ObjectKey, &str)> {
    let gateway = Owned::gateway_of(object)?;
    let owners = object.metadata.owner_references.iter().flatten();
    let owner = owners
        .filter(|owner| owner.controller == Some(true) && owner.kind == "Gateway")
        .find(|owner| owner.name == gateway.name)?;
    Some((gateway, &owner.uid))
}
