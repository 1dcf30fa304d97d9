//! Where objects come from and where statuses go: files standalone, the Kubernetes API in a
//! cluster. Calls [`translate::translate`] whenever one of its inputs changed.
