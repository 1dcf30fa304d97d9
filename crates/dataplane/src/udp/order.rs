//! An order over small numbers in which the first can be found, and any moved to the end or taken
//! out, in constant time: a doubly linked list in a vector.
//!
//! Knows nothing of flows; the numbers are the places of a slab.

#![expect(clippy::indexing_slicing, reason = "a member has a link: push makes room for it")]

/// No number: the end of the list.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Order {
    links: Vec<Link>,
    ends: Link,
    len: usize,
}

/// The neighbours of a member. For the ends of the list: its last and its first.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NONE, after: NONE }
    }
}

impl Order {
    /// The number that was put in first.
    pub(super) fn first(&self) -> Option<u32> {
        (self.ends.after != NONE).then_some(self.ends.after)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a number, which must not be in, at the end.
    pub(super) fn push(&mut self, number: u32) {
        if self.links.len() <= number as usize {
            self.links.resize(number as usize + 1, Link::default());
        }
        let last = self.ends.before;
        self.links[number as usize] = Link { before: last, after: NONE };
        self.link_mut(last).after = number;
        self.ends.before = number;
        self.len += 1;
    }

    /// Takes out a number, which must be in.
    pub(super) fn take(&mut self, number: u32) {
        let Link { before, after } = self.links[number as usize];
        self.link_mut(before).after = after;
        self.link_mut(after).before = before;
        self.len -= 1;
    }

    /// Moves a number, which must be in, to the end.
    pub(super) fn move_to_end(&mut self, number: u32) {
        if self.ends.before != number {
            self.take(number);
            self.push(number);
        }
    }

    /// Gives back memory that an empty list has no use for.
    pub(super) fn release_memory(&mut self) {
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// The link of a member, or the ends of the list for no number.
    fn link_mut(&mut self, number: u32) -> &mut Link {
        if number == NONE { &mut self.ends } else { &mut self.links[number as usize] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(order: &mut Order) -> Vec<u32> {
        std::iter::from_fn(|| order.first().inspect(|&number| order.take(number))).collect()
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let mut order = Order::default();
        [3, 0, 7].into_iter().for_each(|number| order.push(number));
        assert_eq!(order.len(), 3);
        assert_eq!(drain(&mut order), [3, 0, 7]);
        assert_eq!((order.len(), order.first()), (0, None));
    }

    #[test]
    fn moving_and_taking_keep_the_rest_in_order() {
        let mut order = Order::default();
        (0..5).for_each(|number| order.push(number));
        order.move_to_end(0);
        order.move_to_end(2);
        order.move_to_end(2);
        order.take(3);
        assert_eq!(drain(&mut order), [1, 4, 0, 2]);
        order.push(9);
        assert_eq!(drain(&mut order), [9]);
    }
}
