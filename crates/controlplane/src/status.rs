//! How statuses reach the objects they are about. Only the leader writes.
//!
//! [`merge`] decides what an object's status becomes; [`writer`] asks the API server for objects
//! and gives them back, in the order of [`queue`]. Server-side apply is not used: `status.parents`
//! and `status.ancestors` are atomic lists, so applying ours would delete what other controllers
//! say.

mod desired;
pub mod merge;
mod queue;
mod request;
mod upkeep;
pub mod writer;

pub use self::desired::Desired;

/// The field manager of our status writes: by it we know later which conditions of a Gateway that
/// is not ours any more are still our words.
pub const FIELD_MANAGER: &str = "tidegate";
