//! Tidegate in a real cluster: `make cluster-up`, `make install`, then these. One program, so that
//! they run one after another: most of them look at what a whole cluster does under load.

mod churn;
mod control_plane;
mod manifests;
mod permission;
mod rights;
mod statuses;
