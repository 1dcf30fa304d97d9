//! Values that a bind names more than once travel once: a route under a thousand hostnames, a
//! certificate of a thousand listeners.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;

use super::Malformed;

/// Collects the distinct values of a list. Places follow first use and equality is by bytes, never
/// by pointer: equal snapshots are equal bytes however they are shared in memory.
pub(crate) struct Pool<M> {
    values: Vec<M>,
    places: HashMap<Vec<u8>, u32>,
}

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Self { values: Vec::new(), places: HashMap::new() }
    }
}

impl<M: Message> Pool<M> {
    /// The place of `value`.
    pub(crate) fn place(&mut self, value: M) -> u32 {
        // A part is at most 64 MiB, so there are never so many that the number does not fit.
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        *self.places.entry(value.encode_to_vec()).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }

    /// The list.
    pub(crate) fn into_values(self) -> Vec<M> {
        self.values
    }
}

/// The value at a place.
pub(crate) fn at<T>(
    values: &[Arc<T>],
    place: u32,
    name: &'static str,
) -> Result<Arc<T>, Malformed> {
    let place = usize::try_from(place).map_err(|_| Malformed::Field(name))?;
    values.get(place).cloned().ok_or(Malformed::Field(name))
}

/// Reads a list of shared values.
pub(crate) fn read<M, T>(
    values: Vec<M>,
    read: impl Fn(M) -> Result<T, Malformed>,
) -> Result<Vec<Arc<T>>, Malformed> {
    values.into_iter().map(|value| read(value).map(Arc::new)).collect()
}
