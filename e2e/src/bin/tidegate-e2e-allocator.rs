//! Gives the Services of a test cluster their addresses and writes them where a cloud would:
//! `status.loadBalancer`. What is decided is in `e2e::loadbalancer`; this lists, writes, and waits
//! for the next change.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use e2e::loadbalancer::{Pool, assign};
use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// A watch may end in silence; after this long everything is read again.
const RELIST: Duration = Duration::from_secs(30);
/// After an error. An API server that starts or ends answers nothing for a while.
const RETRY: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--kubeconfig", kubeconfig, "--pool", pool] = arguments[..] else {
        say("usage: tidegate-e2e-allocator --kubeconfig FILE --pool NETWORK");
        return ExitCode::from(2);
    };
    match begin(kubeconfig, pool).await {
        Ok((pool, services)) => serve(pool, &services).await,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn begin(kubeconfig: &str, pool: &str) -> Result<(Pool, Api<Service>), Box<dyn Error>> {
    let kubeconfig = Kubeconfig::read_from(Path::new(kubeconfig))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok((pool.parse()?, Api::all(Client::try_from(config)?)))
}

async fn serve(pool: Pool, services: &Api<Service>) -> ! {
    loop {
        if let Err(error) = round(pool, services).await {
            say(&format!("trying again: {error}"));
            sleep(RETRY).await;
        }
    }
}

/// Sets everything right and returns when something has changed.
async fn round(pool: Pool, services: &Api<Service>) -> kube::Result<()> {
    let list = services.list(&ListParams::default()).await?;
    let client = services.clone().into_client();
    for change in assign(pool, &list.items) {
        let ingress = change.address.map(|address| json!([{ "ip": address, "ipMode": "VIP" }]));
        say(&format!("{}/{}: {:?}", change.namespace, change.name, change.address));
        let status = json!({ "status": { "loadBalancer": { "ingress": ingress } } });
        let written = Api::<Service>::namespaced(client.clone(), &change.namespace)
            .patch_status(&change.name, &PatchParams::default(), &Patch::Merge(&status))
            .await;
        match written {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other?),
        }
    }

    let version = list.metadata.resource_version.unwrap_or_default();
    let events = services.watch(&WatchParams::default(), &version).await?;
    pin_mut!(events);
    let changed = async {
        while let Some(event) = events.next().await {
            if !matches!(event?, WatchEvent::Bookmark(_)) {
                break;
            }
        }
        Ok(())
    };
    timeout(RELIST, changed).await.unwrap_or(Ok(()))
}

/// Standard error is this program's log.
fn say(line: &str) {
    let _lost = writeln!(std::io::stderr(), "{line}");
}
