//! The rules that tie several fields together, one file for each subject.
//!
//! They are the CEL rules (`x-kubernetes-validations`) of the CRDs, as plain functions. A rule sees
//! a value that is valid by itself, with its defaults filled in, and reports fields relative to it.
//! Not here: rules between an object and its former version, which a file does not have.

pub(super) mod address;
pub(super) mod backend_tls;
pub(super) mod http_route;
pub(super) mod keys;
pub(super) mod listener;
pub(super) mod refs;
pub(super) mod route;
