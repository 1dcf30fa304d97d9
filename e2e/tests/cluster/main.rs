//! Tidegate in a real cluster: `make e2e-cluster`. They run one after another: most of them look at
//! what a whole cluster does under load.

mod churn;
mod control_plane;
mod dialling;
mod manifests;
mod permission;
mod rights;
mod roll;
mod scale;
mod statuses;
