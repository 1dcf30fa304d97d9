//! UDP: datagrams of one client form a flow, and a flow keeps its endpoint and its source port.
//!
//! The decisions are pure and take time and randomness as arguments: [`table`] decides who is let
//! in and who has to go, [`ports`] which source port a flow towards an endpoint gets. What moves
//! bytes knows none of those rules.

mod order;
pub mod ports;
pub mod table;
