//! How snapshots travel from the controller to the proxies of a Gateway, and reports back.
